// Stationmaster chat console. No framework, no build step.
// Everything that is not a server-sanitised `html` field is inserted as text.

const $ = (id) => document.getElementById(id);
const SVG_NS = 'http://www.w3.org/2000/svg';
const ICONS = {
  reply: 'M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6v1',
  edit: 'M4 20l1-4L16.5 4.5a2 2 0 0 1 3 3L8 19z',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  lock: 'M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3',
  external: 'M10 5H5v14h14v-5M14 4h6v6M20 4l-9 9',
  close: 'M6 6l12 12M18 6L6 18',
  info: 'M12 11v6M12 7.5v.1M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  warning: 'M12 9v5M12 17v.1M12 4L2.5 20h19z',
  people: 'M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c0-3 2.5-5 6-5s6 2 6 5M16 5.2a3 3 0 0 1 0 5.6M17.5 14.2c2.2.6 3.5 2.3 3.5 4.8',
  bot: 'M8 20V4.5M8 5.5h9.5l-2.5 3.2 2.5 3.3H8',
};
const TYPING_MS = 30000;
const SEND_TIMEOUT_MS = 20000;
const GROUP_MS = 5 * 60 * 1000;
const PAGE_SIZE = 100;
const narrowMq = matchMedia('(max-width: 759px)');
const coverMq = matchMedia('(max-width: 1079px)');
const touchMq = matchMedia('(hover: none)');

// ---------------------------------------------------------------- helpers

function el(tag, attrs, ...kids) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === 'on') for (const [type, fn] of Object.entries(value)) node.addEventListener(type, fn);
    else if (key === 'text') node.textContent = value;
    else if (key === 'value') node.value = value;
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const kid of kids.flat()) if (kid !== null && kid !== undefined && kid !== false) node.append(kid);
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG_NS, 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG_NS, 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

const srOnly = (text) => el('span', { class: 'sr-only', text });
const plural = (n, word, many) => `${n} ${n === 1 ? word : many}`;
const capitalise = (text) => (text ? text[0].toUpperCase() + text.slice(1) : '');

function uuid() {
  if (globalThis.crypto?.randomUUID) return crypto.randomUUID();
  // randomUUID needs a secure context; an internal host on plain http has none.
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const storage = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* private mode */ } },
};

function safeUrl(url) {
  if (typeof url !== 'string') return null;
  try {
    const parsed = new URL(url, location.href);
    return parsed.protocol === 'http:' || parsed.protocol === 'https:' ? parsed.href : null;
  } catch { return null; }
}

function initials(name) {
  const words = name.trim().split(/\s+/);
  return ((words[0]?.[0] ?? '?') + (words.length > 1 ? words.at(-1)[0] : '')).toUpperCase();
}

function hue(id) {
  let h = 7;
  for (const ch of id) h = (h * 31 + ch.codePointAt(0)) >>> 0;
  return h % 6;
}

function fillAvatar(node, author) {
  node.className = 'avatar';
  if (author.kind === 'bot') {
    node.classList.add('avatar-bot');
    node.replaceChildren(icon('bot'));
  } else {
    node.classList.add(`avatar-${hue(author.id)}`);
    node.textContent = initials(author.name);
  }
  return node;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const dayKey = (date) => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;

function dayLabel(date) {
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (dayKey(date) === dayKey(today)) return 'Today';
  if (dayKey(date) === dayKey(yesterday)) return 'Yesterday';
  const sameYear = date.getFullYear() === today.getFullYear();
  return new Intl.DateTimeFormat(undefined, {
    weekday: 'long', day: 'numeric', month: 'long', ...(sameYear ? {} : { year: 'numeric' }),
  }).format(date);
}

function timeNode(at) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return el('time', { text: '' });
  return el('time', { datetime: at, title: fullFormat.format(date), text: timeFormat.format(date) });
}

// -------------------------------------------------------------------- API

class ApiError extends Error {
  constructor(message, next, status = 0, errors = null) {
    super(message);
    this.next = next;
    this.status = status;
    this.errors = errors;
  }
  get sentence() { return [this.message, this.next].filter(Boolean).join(' '); }
}

async function api(method, path, body) {
  let res;
  let data = null;
  try {
    res = await fetch(path, {
      method,
      cache: 'no-store',
      headers: body ? { 'content-type': 'application/json', accept: 'application/json' } : { accept: 'application/json' },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout?.(SEND_TIMEOUT_MS),
    });
    data = await res.json().catch(() => null);
  } catch {
    throw new ApiError('The server could not be reached.', 'Check your connection, then try again.');
  }
  if (!res.ok) {
    throw new ApiError(
      data?.error?.message ?? `The server answered with status ${res.status}.`,
      data?.error?.next ?? (data?.error ? '' : 'Try again in a moment.'),
      res.status,
      data?.errors ?? null,
    );
  }
  if (data === null) throw new ApiError('The server sent an answer this page cannot read.', 'Reload the page.', res.status);
  return data;
}

const query = (params) => new URLSearchParams(Object.entries(params).filter(([, v]) => v)).toString();

// ------------------------------------------------------------------ state

const S = {
  gen: 0, // grows with every identity switch; late answers of an earlier one are dropped
  state: null,
  me: null,
  channel: null,
  thread: null,
  msgs: new Map(), // id → message
  received: new Map(), // id → time it last arrived over the event stream
  loadedChannels: new Map(), // channel id → number of messages in the last load
  loadedThreads: new Set(),
  errors: new Map(), // container key → load error text
  pending: new Map(), // container key → [{key, text, at, status, error}]
  inflight: new Map(), // container key → number of sends on their way
  held: new Map(), // container key → own messages that arrived before the send was answered
  queues: new Map(), // container key → promise chain keeping the order of sends
  drafts: new Map(),
  unread: new Map(),
  typing: new Map(), // container key → {until, timer}
  posted: new Set(), // root messages posted in this tab, waiting for the bot's first reply
  botReplied: new Set(),
};

const containerKey = (channel, thread) => `${channel}\n${thread ?? ''}`;
const person = (id) => S.state?.people.find((p) => p.id === id);
const currentChannel = () => S.state?.channels.find((c) => c.id === S.channel);
const channelTitle = (c) => (c.kind === 'dm' ? c.name : `#${c.name}`);
const isMine = (m) => m.author.kind === 'person' && m.author.id === S.me;

const byTime = (a, b) => Date.parse(a.at) - Date.parse(b.at);
const rootsOf = (channel) => [...S.msgs.values()].filter((m) => !m.thread && m.channel === channel).sort(byTime);
const repliesOf = (root) => [...S.msgs.values()].filter((m) => m.thread === root).sort(byTime);

function makeView(name, ids) {
  return {
    name,
    list: $(ids.list),
    scroller: $(ids.scroller),
    jump: $(ids.jump),
    form: $(ids.form),
    input: $(ids.input),
    nodes: new Map(), // key → {sig, node}
    editing: null,
    atEnd: true,
    lastKey: null,
    key: null, // container key shown right now
  };
}
const main = makeView('main', { list: 'main-list', scroller: 'messages', jump: 'main-jump', form: 'composer', input: 'composer-input' });
const thread = makeView('thread', { list: 'thread-list', scroller: 'thread-messages', jump: 'thread-jump', form: 'thread-composer', input: 'thread-input' });
const views = [main, thread];

// -------------------------------------------------------- message content

// Parses sanitised html in an inert template, then adds what the console
// needs around it: copy buttons, scroll boxes, link targets, citation links.
function htmlNode(html, citations) {
  const template = document.createElement('template');
  template.innerHTML = html ?? '';
  const root = el('div', { class: 'prose' });
  root.append(template.content);

  if (citations?.size) linkCitations(root, citations);
  for (const link of root.querySelectorAll('a[href]')) {
    const href = link.getAttribute('href');
    if (href.startsWith('#')) {
      const n = Number(/(\d+)$/.exec(href)?.[1]);
      const url = safeUrl(citations?.get(n)?.url);
      if (!url) continue;
      link.href = url;
      link.classList.add('cite-ref');
    }
    if (!safeUrl(link.getAttribute('href'))) { link.removeAttribute('href'); continue; }
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  for (const pre of root.querySelectorAll('pre')) pre.replaceWith(codeBox(pre));
  for (const table of root.querySelectorAll('table')) {
    const box = el('div', { class: 'table-box', role: 'region', 'aria-label': 'Table', tabindex: '0' });
    table.replaceWith(box);
    box.append(table);
  }
  return root;
}

function codeBox(pre) {
  const code = pre.querySelector('code') ?? pre;
  const language = /(?:^|\s)language-([\w+#.-]+)/.exec(`${code.className} ${pre.className}`)?.[1] ?? '';
  const copy = el('button', { type: 'button', class: 'copy', text: 'Copy', 'data-testid': 'copy' });
  copy.setAttribute('aria-label', 'Copy code');
  copy.addEventListener('click', async () => {
    const done = await copyText(code.textContent.replace(/\n$/, ''));
    copy.textContent = done ? 'Copied' : 'Copy failed';
    copy.setAttribute('aria-label', copy.textContent);
    setTimeout(() => { copy.textContent = 'Copy'; copy.setAttribute('aria-label', 'Copy code'); }, 2000);
  });
  const body = pre.cloneNode(true);
  body.tabIndex = 0;
  body.setAttribute('role', 'region');
  body.setAttribute('aria-label', language ? `Code, ${language}` : 'Code');
  return el('div', { class: 'code-box' },
    el('div', { class: 'code-head' }, el('span', { class: 'code-lang', text: language || 'code', 'aria-hidden': 'true' }), copy),
    body);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { /* no secure context or no permission: use the selection */ }
  const focused = document.activeElement;
  const area = el('textarea', { class: 'sr-only', 'aria-hidden': 'true', value: text });
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  let ok = false;
  try { ok = document.execCommand('copy'); } catch { /* reported by the caller */ }
  area.remove();
  focused?.focus?.();
  return ok;
}

// Turns "[1]" in running text into a link to citation 1.
function linkCitations(root, citations) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT, (node) => (
    node.parentElement?.closest('a, code, pre') || !/\[\d{1,3}\]/.test(node.data)
      ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT));
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  for (const node of nodes) {
    const parts = node.data.split(/\[(\d{1,3})\]/);
    const out = document.createDocumentFragment();
    parts.forEach((part, i) => {
      if (i % 2 === 0) { out.append(part); return; }
      const item = citations.get(Number(part));
      const url = safeUrl(item?.url);
      out.append(url
        ? el('a', { class: 'cite-ref', href: url, title: citationTitle(item), 'aria-label': `Source ${part}: ${item.title}`, text: part })
        : `[${part}]`);
    });
    node.replaceWith(out);
  }
}

const citationTitle = (item) => [item.title, ...(item.path ?? [])].filter(Boolean).join(' › ');

function citationsOf(m) {
  const map = new Map();
  for (const block of m.blocks ?? []) if (block.type === 'citations') for (const item of block.items ?? []) map.set(item.n, item);
  return map;
}

function blockNode(m, block, index, citations) {
  switch (block.type) {
    case 'text':
      return htmlNode(block.html, citations);
    case 'quote': {
      const item = citations.get(block.cite);
      const url = safeUrl(item?.url);
      return el('figure', { class: 'quote' },
        el('blockquote', null, htmlNode(block.html, citations)),
        item && el('figcaption', null, 'From ', url
          ? el('a', { href: url, target: '_blank', rel: 'noopener noreferrer', text: citationTitle(item) })
          : citationTitle(item)));
    }
    case 'note': {
      const warning = block.tone === 'warning';
      return el('div', { class: `note ${warning ? 'note-warning' : 'note-info'}`, role: 'note' },
        icon(warning ? 'warning' : 'info'), warning && srOnly('Warning:'), htmlNode(block.html, citations));
    }
    case 'citations':
      return el('section', { class: 'citations', 'aria-label': 'Sources' },
        el('p', { class: 'citations-title', text: 'Sources', 'aria-hidden': 'true' }),
        el('ol', null, (block.items ?? []).map((item) => {
          const url = safeUrl(item.url);
          const outside = url && new URL(url).origin !== location.origin;
          const path = (item.path ?? []).join(' › ');
          const inner = [
            el('span', { class: 'cite-n', text: item.n, 'aria-hidden': 'true' }),
            el('span', { class: 'cite-text' },
              el('span', { class: 'cite-title' }, item.title, outside && icon('external')),
              path && srOnly(', '),
              path && el('span', { class: 'cite-path', text: path })),
          ];
          return el('li', null,
            url
              ? el('a', { class: 'citation', 'data-testid': 'citation', href: url, target: '_blank', rel: 'noopener noreferrer', 'data-fk': `cite:${index}:${item.n}` }, inner)
              : el('span', { class: 'citation', 'data-testid': 'citation' }, inner),
            item.note && el('span', { class: 'cite-note' }, icon('warning'), item.note));
        })));
    case 'fields':
      return el('dl', { class: 'fields' }, (block.items ?? []).map((item) =>
        el('div', null, el('dt', { text: item.label }), el('dd', { text: item.value }))));
    case 'buttons':
      return el('div', { class: 'actions', role: 'group', 'aria-label': 'What you can do' }, (block.items ?? []).map((item, i) => {
        const style = ['primary', 'danger'].includes(item.style) ? item.style : 'default';
        const button = el('button', {
          type: 'button', class: `button button-${style} button-small`, 'data-testid': 'action',
          'data-fk': `act:${index}:${i}`, 'aria-pressed': item.pressed ? 'true' : null, text: item.label,
        });
        button.addEventListener('click', () => runAction(m, item, button));
        return button;
      }));
    case 'divider':
      return el('hr');
    default:
      return block.html ? htmlNode(block.html, citations) : null;
  }
}

function contentNodes(m) {
  const citations = citationsOf(m);
  const out = [];
  if (m.html) out.push(htmlNode(m.html, citations));
  (m.blocks ?? []).forEach((block, i) => { const node = blockNode(m, block, i, citations); if (node) out.push(node); });
  return out;
}

// The source of an own message, for editing. The API sends rendered html;
// `text` is used when the server offers it.
function sourceOf(m) {
  if (typeof m.text === 'string') return m.text;
  const template = document.createElement('template');
  template.innerHTML = m.html ?? '';
  const inline = (node) => [...node.childNodes].map((kid) => {
    if (kid.nodeType === Node.TEXT_NODE) return kid.data.replace(/\s*\n\s*/g, ' ');
    if (kid.nodeType !== Node.ELEMENT_NODE) return '';
    const inner = () => inline(kid);
    switch (kid.localName) {
      case 'br': return '\n';
      case 'code': return `\`${kid.textContent}\``;
      case 'strong': case 'b': return `**${inner()}**`;
      case 'em': case 'i': return `*${inner()}*`;
      case 'del': case 's': return `~~${inner()}~~`;
      case 'a': {
        const href = kid.getAttribute('href') ?? '';
        const text = inner();
        return !href || href === text || href === `mailto:${text}` ? text : `[${text}](${href})`;
      }
      default: return inner();
    }
  }).join('').replace(/\n /g, '\n');
  const BLOCKS = new Set(['p', 'pre', 'ul', 'ol', 'blockquote', 'table', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'div']);
  const block = (node) => {
    const parts = [];
    let run = '';
    const flush = () => { if (run.trim()) parts.push(run.trim()); run = ''; };
    for (const kid of node.childNodes) {
      if (kid.nodeType === Node.ELEMENT_NODE && BLOCKS.has(kid.localName)) {
        flush();
        const tag = kid.localName;
        if (tag === 'pre') {
          const language = /language-([\w+#.-]+)/.exec(kid.firstElementChild?.className ?? '')?.[1] ?? '';
          parts.push(`\`\`\`${language}\n${kid.textContent.replace(/\n$/, '')}\n\`\`\``);
        } else if (tag === 'ul' || tag === 'ol') {
          parts.push([...kid.children].map((li, i) =>
            `${tag === 'ol' ? `${i + (kid.start || 1)}.` : '-'} ${block(li).replace(/\n\n/g, '\n').replace(/\n/g, '\n   ')}`).join('\n'));
        } else if (tag === 'blockquote') parts.push(block(kid).replace(/^/gm, '> '));
        else if (tag === 'hr') parts.push('---');
        else if (/^h[1-6]$/.test(tag)) parts.push(`${'#'.repeat(Number(tag[1]))} ${inline(kid)}`);
        else if (tag === 'table') parts.push([...kid.rows].map((r, i) => {
          const line = `| ${[...r.cells].map(inline).join(' | ')} |`;
          return i === 0 ? `${line}\n|${' --- |'.repeat(r.cells.length)}` : line;
        }).join('\n'));
        else parts.push(block(kid));
      } else if (kid.nodeType === Node.TEXT_NODE) run += kid.data.replace(/\s*\n\s*/g, ' ');
      else if (kid.nodeType === Node.ELEMENT_NODE) {
        const wrap = document.createElement('span');
        wrap.append(kid.cloneNode(true));
        run += inline(wrap);
      }
    }
    flush();
    return parts.join('\n\n');
  };
  return block(template.content);
}

function plainText(m) {
  const template = document.createElement('template');
  template.innerHTML = [m.html, ...(m.blocks ?? []).map((b) => b.html)].filter(Boolean).join(' ');
  return template.content.textContent.replace(/\s+/g, ' ').trim();
}

// -------------------------------------------------------- message elements

function headNode(author, at, extras) {
  return el('div', { class: 'message-head' },
    el('span', { class: 'author', text: author.name }),
    author.kind === 'bot' && el('span', { class: 'badge', text: 'Bot' }),
    at, extras);
}

function typingNode(testid = 'typing') {
  return el('p', { class: 'typing', 'data-testid': testid },
    el('span', { class: 'dots', 'aria-hidden': 'true' }, el('i'), el('i'), el('i')),
    'Stationmaster is working on it…');
}

function messageNode(view, m, flags) {
  const item = el('li', {
    class: `message${flags.compact ? ' compact' : ''}${m.private ? ' private' : ''}${m.deleted ? ' deleted' : ''}`,
    'data-testid': 'message', 'data-id': m.id, 'data-author': m.author.id, 'data-kind': m.author.kind, tabindex: '-1',
  });
  const body = el('div', { class: 'message-body' });
  item.append(
    flags.compact
      ? el('div', { class: 'gutter' }, timeNode(m.at))
      : el('div', { class: 'gutter', 'aria-hidden': 'true' }, fillAvatar(el('span'), m.author)),
    body);
  body.append(flags.compact ? srOnly(`${m.author.name}:`) : headNode(m.author, timeNode(m.at)));
  if (m.private) body.append(el('p', { class: 'private-label' }, icon('lock'), 'Only you can see this'));

  if (m.deleted) {
    body.append(el('p', { class: 'deleted-text', text: 'This message was deleted.' }));
  } else if (view.editing === m.id) {
    body.append(editNode(view, m));
  } else {
    body.append(...contentNodes(m));
    if (m.edited) body.append(el('span', { class: 'edited', text: '(edited)' }));
  }

  if (view === main) {
    if (m.reply_count > 0) {
      body.append(el('button', {
        type: 'button', class: 'replies', 'data-testid': 'open-thread', 'data-fk': 'thread',
        'aria-expanded': String(S.thread === m.id), on: { click: () => openThread(m.id) },
      }, icon('reply'), plural(m.reply_count, 'reply', 'replies')));
    }
    if (flags.typing) body.append(typingNode());
  }

  if (view.editing !== m.id) {
    const tools = el('div', { class: 'tools', role: 'group', 'aria-label': `Message from ${m.author.name}` });
    const tool = (name, label, testid, fn) => tools.append(el('button', {
      type: 'button', class: 'tool', 'data-testid': testid, 'data-fk': `tool:${testid}`, on: { click: fn },
    }, icon(name), el('span', { text: label })));
    if (view === main) tool('reply', 'Reply in thread', 'reply-in-thread', () => openThread(m.id));
    if (isMine(m) && !m.deleted) {
      tool('edit', 'Edit', 'edit', () => startEdit(view, m.id));
      tool('trash', 'Delete', 'delete', () => confirmDelete(m));
    }
    if (tools.childElementCount) item.append(tools);
  }
  return item;
}

function pendingNode(view, p, flags) {
  const me = person(S.me) ?? { id: S.me, name: 'You' };
  const author = { id: me.id, name: me.name, kind: 'person' };
  const failed = p.status === 'failed';
  const item = el('li', {
    class: `message pending${failed ? ' failed' : ''}${flags.compact ? ' compact' : ''}`,
    'data-testid': 'message', 'data-state': p.status, 'data-author': author.id, 'data-kind': 'person', tabindex: '-1',
  });
  const body = el('div', { class: 'message-body' });
  item.append(flags.compact
    ? el('div', { class: 'gutter' })
    : el('div', { class: 'gutter', 'aria-hidden': 'true' }, fillAvatar(el('span'), author)), body);
  body.append(flags.compact ? srOnly(`${author.name}:`) : headNode(author, failed ? null : el('span', { class: 'sending', text: 'Sending…' })));
  body.append(el('p', { class: 'plain', text: p.text }));
  if (failed) {
    body.append(
      el('p', { class: 'not-sent' },
        icon('warning'), el('span', null, el('strong', { text: 'Not sent.' }), ' ',
          el('button', { type: 'button', class: 'link-button', 'data-testid': 'retry', 'data-fk': 'retry', text: 'Retry', on: { click: () => retry(p) } }),
          ' ',
          el('button', { type: 'button', class: 'link-button quiet', 'data-testid': 'discard', 'data-fk': 'discard', text: 'Discard', on: { click: () => discard(view, p) } }))),
      el('p', { class: 'not-sent-why', text: p.error }));
  }
  return item;
}

function editNode(view, m) {
  const id = `edit-${view.name}`;
  const input = el('textarea', { id, rows: '1', class: 'edit-input', 'data-testid': 'edit-input', 'data-fk': 'edit-input' });
  input.value = sourceOf(m);
  const error = el('p', { class: 'field-error', id: `${id}-error`, role: 'alert' });
  const save = el('button', { type: 'submit', class: 'button button-primary button-small', 'data-testid': 'edit-save', text: 'Save' });
  const form = el('form', { class: 'edit-form' },
    el('label', { class: 'sr-only', for: id, text: 'Edit your message' }),
    el('div', { class: 'composer-box' }, input), error,
    el('div', { class: 'edit-row' }, save,
      el('button', { type: 'button', class: 'button button-default button-small', text: 'Cancel', on: { click: () => stopEdit(view) } }),
      el('span', { class: 'edit-hint', 'aria-hidden': 'true', text: 'Enter to save, Escape to cancel' })));
  let busy = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (busy) return;
    if (!text) { error.textContent = 'A message needs some text. Delete it instead if you want it gone.'; input.focus(); return; }
    if (text === sourceOf(m).trim()) { stopEdit(view); return; }
    busy = true;
    form.classList.add('busy');
    const gen = S.gen;
    try {
      const { message } = await api('PUT', `/api/console/messages/${encodeURIComponent(m.id)}`, { as: S.me, text });
      if (gen !== S.gen) return;
      put(message);
      stopEdit(view);
    } catch (e) {
      error.textContent = e.sentence ?? String(e);
      input.setAttribute('aria-describedby', error.id);
    } finally {
      busy = false;
      form.classList.remove('busy');
    }
  });
  input.addEventListener('input', () => grow(input));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    if (event.key === 'Escape') { event.preventDefault(); event.stopPropagation(); stopEdit(view); }
  });
  return form;
}

function startEdit(view, id) {
  const m = S.msgs.get(id);
  if (!m || !isMine(m) || m.deleted) return;
  view.editing = id;
  render(view);
  const input = view.list.querySelector('.edit-input');
  if (!input) return;
  grow(input);
  input.focus();
  input.setSelectionRange(input.value.length, input.value.length);
  input.closest('.message').scrollIntoView({ block: 'nearest' });
}

function stopEdit(view) {
  if (!view.editing) return;
  view.editing = null;
  render(view);
  view.input.focus();
}

// ------------------------------------------------------------------ render

function rows(view) {
  const out = [];
  let previous = null;
  const day = (date) => {
    if (previous && dayKey(previous.date) === dayKey(date)) return;
    out.push({ key: `day:${dayKey(date)}`, sig: dayLabel(date), make: () => el('li', { class: 'day' }, el('span', { text: dayLabel(date) })) });
    previous = null;
  };
  const list = view === main ? rootsOf(S.channel) : [S.msgs.get(S.thread), ...repliesOf(S.thread)].filter(Boolean);
  list.forEach((m, i) => {
    const date = new Date(m.at);
    if (view === main) day(date);
    const compact = Boolean(previous && previous.author === m.author.id && previous.kind === m.author.kind
      && date - previous.date < GROUP_MS && !previous.breaks && !m.private && !m.deleted && view.editing !== m.id);
    const typing = view === main && isTyping(m.channel, m.id);
    const flags = { compact, typing };
    const editing = view.editing === m.id;
    out.push({
      key: m.id,
      bot: m.author.kind === 'bot',
      // While a message is being edited its element stays as it is.
      sig: editing ? 'editing' : JSON.stringify([m, flags, view === main && S.thread === m.id]),
      make: () => messageNode(view, m, flags),
    });
    const isRootInThread = view === thread && i === 0;
    previous = {
      author: m.author.id, kind: m.author.kind, date,
      breaks: m.deleted || m.private || isRootInThread || (view === main && (m.reply_count > 0 || typing)),
    };
    if (isRootInThread && m.id === S.thread) {
      const count = list.length - 1;
      const label = count ? plural(count, 'reply', 'replies') : 'No replies yet';
      out.push({ key: 'count', sig: label, make: () => el('li', { class: 'day day-left' }, el('span', { text: label })) });
    }
  });
  const key = containerKey(S.channel, view === main ? null : S.thread);
  for (const p of S.pending.get(key) ?? []) {
    const compact = Boolean(previous && previous.author === S.me && p.at - previous.date < GROUP_MS && !previous.breaks);
    if (view === main) day(p.at);
    out.push({ key: p.key, own: true, sig: JSON.stringify([p.status, p.error, compact]), make: () => pendingNode(view, p, { compact }) });
    previous = { author: S.me, kind: 'person', date: p.at, breaks: p.status === 'failed' };
  }
  const typingHere = view === thread ? isTyping(S.channel, S.thread) : isTyping(S.channel, null);
  if (typingHere) out.push({ key: 'typing', sig: '', make: () => el('li', { class: 'typing-row' }, typingNode()) });
  const failure = S.errors.get(key);
  if (failure) {
    out.push({ key: 'error', sig: failure, make: () => el('li', { class: 'load-error', role: 'alert' },
      el('p', { text: failure }),
      el('button', { type: 'button', class: 'button button-default button-small', text: 'Try again', on: { click: () => load(S.channel, view === main ? null : S.thread) } })) });
  }
  return out;
}

function render(view) {
  if (!S.state || (view === thread && !S.thread)) return;
  const key = containerKey(S.channel, view === main ? null : S.thread);
  const switched = view.key !== key;
  if (switched) { view.key = key; view.nodes.clear(); view.list.replaceChildren(); view.atEnd = true; view.lastKey = null; }
  const wanted = rows(view);

  const focused = view.list.contains(document.activeElement) ? document.activeElement : null;
  const focusRow = focused?.closest('li[data-key]')?.dataset.key;
  const focusKey = focused?.dataset.fk ?? null;

  const keep = new Set();
  let cursor = view.list.firstChild;
  for (const row of wanted) {
    keep.add(row.key);
    let entry = view.nodes.get(row.key);
    if (!entry || entry.sig !== row.sig) {
      const node = row.make();
      node.dataset.key = row.key;
      if (entry) {
        if (cursor === entry.node) cursor = node;
        entry.node.replaceWith(node);
      }
      entry = { sig: row.sig, node };
      view.nodes.set(row.key, entry);
    }
    if (entry.node === cursor) cursor = cursor.nextSibling;
    else view.list.insertBefore(entry.node, cursor);
  }
  for (const [rowKey, entry] of view.nodes) if (!keep.has(rowKey)) { entry.node.remove(); view.nodes.delete(rowKey); }

  if (focused && !focused.isConnected) {
    const node = view.nodes.get(focusRow)?.node;
    ((focusKey && [...(node?.querySelectorAll('[data-fk]') ?? [])].find((n) => n.dataset.fk === focusKey)) || node || view.input).focus({ preventScroll: true });
  }

  if (view === main) renderTop(wanted.length === 0);
  settleScroll(view, wanted, switched);
}

function renderAll() { for (const view of views) render(view); }

function settleScroll(view, wanted, switched) {
  const last = [...wanted].reverse().find((row) => row.bot !== undefined || row.own);
  const isNew = last && last.key !== view.lastKey && !switched && view.lastKey !== null;
  if (view.atEnd || (isNew && last.own)) toEnd(view, last);
  else if (isNew) view.jump.hidden = false;
  if (last) view.lastKey = last.key;
}

// Shows the newest message. A bot answer taller than the window is shown
// from its first line, not from its last.
function toEnd(view, last) {
  const { scroller } = view;
  const lastKey = last?.key ?? view.lastKey;
  const node = lastKey && view.nodes.get(lastKey)?.node;
  scroller.scrollTop = scroller.scrollHeight;
  if (node && last?.bot && node.offsetHeight > scroller.clientHeight * 0.9) {
    const gap = node.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    scroller.scrollTop += gap - 12;
    view.atEnd = false;
  } else view.atEnd = true;
  view.jump.hidden = true;
}

function renderTop(empty) {
  const top = $('main-top');
  const channel = currentChannel();
  if (!channel) { top.replaceChildren(); return; }
  const loaded = S.loadedChannels.get(channel.id);
  const state = loaded === undefined ? (S.errors.has(containerKey(channel.id, null)) ? 'error' : 'loading')
    : empty ? 'empty' : loaded >= PAGE_SIZE ? 'full' : 'plain';
  const sig = `${S.gen}|${channel.id}|${state}`;
  if (top.dataset.sig === sig) return;
  top.dataset.sig = sig;
  if (state === 'loading' && empty) {
    top.replaceChildren(el('p', { class: 'loading', text: 'Loading messages…' }));
  } else if (state === 'empty') {
    top.replaceChildren(welcomeNode(channel));
  } else if (state === 'full') {
    top.replaceChildren(el('p', { class: 'loading', text: `Only the newest ${PAGE_SIZE} messages are shown.` }));
  } else top.replaceChildren();
}

function welcomeNode(channel) {
  const platform = S.state.platforms.find((p) => p.id === channel.platform);
  const names = S.state.platforms.map((p) => p.name);
  const about = platform?.name ?? (names.length > 1 ? `${names.slice(0, -1).join(', ')} or ${names.at(-1)}` : names[0] ?? 'your platform');
  const summary = platform?.summary?.replace(/\.$/, '');
  return el('section', { class: 'welcome', 'aria-labelledby': 'welcome-title' },
    fillAvatar(el('span', { 'aria-hidden': 'true' }), { kind: 'bot', name: S.state.product, id: 'bot' }),
    el('h2', { id: 'welcome-title', text: channel.kind === 'dm' ? `Ask ${S.state.product} in private` : `Welcome to ${channelTitle(channel)}` }),
    el('p', { text: channel.kind === 'dm'
      ? `Questions about ${about}. Only you can see this conversation.`
      : `Ask about ${about}${summary ? `: ${summary[0].toLowerCase()}${summary.slice(1)}` : ''}. Answers name the pages they come from.` }),
    S.state.examples?.length > 0 && el('p', { class: 'welcome-try', id: 'welcome-try', text: 'Try one of these' }),
    S.state.examples?.length > 0 && el('ul', { class: 'examples', 'aria-labelledby': 'welcome-try' }, S.state.examples.map((text) =>
      el('li', null, el('button', {
        type: 'button', class: 'example', 'data-testid': 'example', text,
        on: { click: () => { main.input.value = text; grow(main.input); main.form.requestSubmit(); main.input.focus(); } },
      })))));
}

function renderSidebar() {
  const { state } = S;
  $('product').textContent = state.product;
  $('platforms').textContent = state.platforms.map((p) => p.name).join(' · ');
  const focusedChannel = document.activeElement?.dataset?.channel;
  const link = (c) => {
    const unread = S.unread.get(c.id) ?? 0;
    return el('li', null, el('a', {
      class: `channel-link${unread ? ' unread' : ''}`, href: urlFor(c.id, null), 'data-testid': 'channel-link',
      'data-channel': c.id, 'aria-current': c.id === S.channel ? 'page' : null, on: { click: closeDrawer },
    },
    c.kind === 'dm' ? fillAvatar(el('span', { 'aria-hidden': 'true' }), { kind: 'bot' }) : el('span', { class: 'hash', text: '#', 'aria-hidden': 'true' }),
    el('span', { class: 'channel-link-name', text: c.name }),
    unread > 0 && el('span', { class: 'count', 'aria-label': plural(unread, 'new message', 'new messages'), text: unread > 99 ? '99+' : unread })));
  };
  const dms = state.channels.filter((c) => c.kind === 'dm');
  $('channels').replaceChildren(...state.channels.filter((c) => c.kind !== 'dm').map(link));
  $('dms').replaceChildren(...dms.map(link));
  $('dms-heading').hidden = dms.length === 0;
  if (focusedChannel) [...document.querySelectorAll('[data-channel]')].find((n) => n.dataset.channel === focusedChannel)?.focus();

  const me = person(S.me);
  $('identity').replaceChildren(...state.people.map((p) => el('option', { value: p.id, text: `${p.name} (${p.role_label})` })));
  $('identity').value = S.me;
  fillAvatar($('identity-avatar'), { id: S.me, name: me?.name ?? '?', kind: 'person' });
  $('identity-name').textContent = me?.name ?? '';
  $('identity-role').textContent = me?.role_label ?? '';

  const notices = state.notices ?? [];
  $('state-notices').hidden = notices.length === 0;
  $('state-notices').replaceChildren(...notices.map((text) => el('li', { 'data-testid': 'state-notice' }, icon('info'), el('span', { text }))));
  const anyUnread = [...S.unread.values()].some((n) => n > 0);
  $('drawer-open').classList.toggle('has-unread', anyUnread);
  $('drawer-open').setAttribute('aria-label', anyUnread ? 'Open menu, new messages' : 'Open menu');
}

function renderHeader() {
  const channel = currentChannel();
  const unread = [...S.unread.values()].reduce((a, b) => a + b, 0);
  if (!channel) { document.title = S.state?.product ?? 'Stationmaster'; return; }
  document.title = `${unread ? `(${unread}) ` : ''}${channelTitle(channel)} · ${S.state.product}`;
  $('channel-name').replaceChildren(channel.kind !== 'dm' ? el('span', { class: 'hash', text: '#' }) : '', channel.name);
  $('channel-meta').replaceChildren(
    srOnly('Mode: '), el('span', { class: 'meta-mode', text: capitalise(channel.mode_label) }),
    channel.audience_label ? el('span', { class: 'meta-audience' }, icon('people'), srOnly('. Who is in it: '), capitalise(channel.audience_label)) : '');
  const label = channel.kind === 'dm' ? `Message ${channel.name}` : `Message #${channel.name}`;
  main.input.placeholder = label;
  $('composer-label').textContent = label;
  $('thread-meta').textContent = channel.kind === 'dm' ? `With ${channel.name}` : `In #${channel.name}`;
}

function renderLayout() {
  const narrow = narrowMq.matches;
  const drawer = narrow && $('app').dataset.drawer === 'open';
  const covered = coverMq.matches && Boolean(S.thread);
  $('app').dataset.thread = S.thread ? 'open' : 'closed';
  $('thread').hidden = !S.thread;
  $('sidebar').inert = narrow && !drawer;
  $('main').inert = covered || drawer;
  $('thread').inert = drawer;
  $('backdrop').hidden = !drawer;
  $('drawer-open').setAttribute('aria-expanded', String(drawer));
}

function openDrawer() {
  $('app').dataset.drawer = 'open';
  renderLayout();
  ($('sidebar').querySelector('[aria-current]') ?? $('drawer-close')).focus();
}
function closeDrawer() {
  if ($('app').dataset.drawer !== 'open') return;
  $('app').dataset.drawer = 'closed';
  renderLayout();
  if (narrowMq.matches) $('drawer-open').focus();
}

// ------------------------------------------------------------------ routes

const urlFor = (channel, root) => `#/c/${encodeURIComponent(channel)}${root ? `/t/${encodeURIComponent(root)}` : ''}`;

function parseRoute() {
  const match = /^#\/c\/([^/]+)(?:\/t\/([^/]+))?$/.exec(location.hash);
  try { return match ? { channel: decodeURIComponent(match[1]), thread: match[2] ? decodeURIComponent(match[2]) : null } : null; } catch { return null; }
}

function go(channel, root, { replace = false } = {}) {
  const url = urlFor(channel, root);
  if (location.hash !== url) history[replace ? 'replaceState' : 'pushState'](null, '', url);
  applyRoute();
}

function applyRoute() {
  if (!S.state) return;
  const route = parseRoute();
  const first = S.state.channels[0]?.id ?? null;
  let channel = route?.channel;
  let root = route?.thread ?? null;
  if (!S.state.channels.some((c) => c.id === channel)) {
    channel = S.channel && S.state.channels.some((c) => c.id === S.channel) ? S.channel : first;
    root = null;
    if (channel) history.replaceState(null, '', urlFor(channel, null));
  }
  const newChannel = channel !== S.channel;
  const newThread = root !== S.thread;
  if (newChannel || newThread) {
    saveDrafts();
    if (newChannel) { main.editing = null; }
    if (newThread) { thread.editing = null; }
    const had = S.thread;
    const focusInThread = $('thread').contains(document.activeElement);
    S.channel = channel;
    S.thread = root;
    S.unread.delete(channel);
    restoreDrafts(newChannel, newThread);
    if (had && !root && focusInThread) queueMicrotask(() => focusAfterThread(had, newChannel));
  }
  renderSidebar();
  renderHeader();
  renderLayout();
  renderAll();
  if (!channel) return;
  if (newChannel) load(channel, null);
  if (root && newThread) load(channel, root);
}

function saveDrafts() {
  for (const view of views) {
    if (view === thread && !S.thread) continue;
    const key = containerKey(S.channel, view === main ? null : S.thread);
    if (view.input.value.trim()) S.drafts.set(key, view.input.value);
    else S.drafts.delete(key);
  }
}

function restoreDrafts(newChannel, newThread) {
  if (newChannel) { main.input.value = S.drafts.get(containerKey(S.channel, null)) ?? ''; grow(main.input); }
  if (newThread || newChannel) { thread.input.value = S.drafts.get(containerKey(S.channel, S.thread)) ?? ''; grow(thread.input); }
}

function openThread(id, { auto = false } = {}) {
  go(S.channel, id, { replace: auto });
  if (!auto && !touchMq.matches) thread.input.focus();
  else if (!auto || coverMq.matches) $('thread-title').focus();
}

function closeThread() {
  if (!S.thread) return;
  go(S.channel, null);
}

function focusAfterThread(root, channelChanged) {
  const node = !channelChanged && main.nodes.get(root)?.node;
  const target = node && (node.querySelector('[data-fk="thread"]') ?? node.querySelector('[data-fk="tool:reply-in-thread"]'));
  (target || main.input).focus({ preventScroll: true });
}

// The bot has replied to a message posted in this tab: show the thread,
// unless the person is in the middle of writing somewhere that it would hide.
function maybeAutoOpen(rootId) {
  if (!S.posted.has(rootId) || !S.botReplied.has(rootId)) return;
  const root = S.msgs.get(rootId);
  if (!root || root.channel !== S.channel) return;
  S.posted.delete(rootId);
  if (S.thread === rootId || document.querySelector('dialog[open]')) return;
  if (S.thread && (thread.input.value.trim() || thread.editing)) return;
  if (coverMq.matches && (main.input.value.trim() || main.editing || $('app').dataset.drawer === 'open')) return;
  openThread(rootId, { auto: true });
}

// ------------------------------------------------------- loading and store

function put(m, { live = false } = {}) {
  const known = S.msgs.get(m.id);
  if (live) S.received.set(m.id, performance.now());
  S.msgs.set(m.id, m);
  if (m.thread) countReplies(m, !known);
  if (m.deleted) for (const view of views) if (view.editing === m.id) view.editing = null;
}

function countReplies(reply, isNew) {
  const root = S.msgs.get(reply.thread);
  if (!root) return;
  if (S.loadedThreads.has(root.id)) {
    const count = repliesOf(root.id).filter((m) => !m.deleted).length;
    if (count !== root.reply_count) S.msgs.set(root.id, { ...root, reply_count: count });
  } else if (isNew) {
    S.msgs.set(root.id, { ...root, reply_count: (root.reply_count ?? 0) + 1 });
    refreshCount(root);
  }
}

// A thread that is not loaded is counted up at once; the exact number follows.
const countTimers = new Map();
function refreshCount(root) {
  clearTimeout(countTimers.get(root.id));
  countTimers.set(root.id, setTimeout(() => {
    countTimers.delete(root.id);
    if (S.channel === root.channel) load(root.channel, root.id, { quiet: true });
  }, 800));
}

const loads = new Map(); // container key → token of the newest load
async function load(channel, root, { quiet = false } = {}) {
  const gen = S.gen;
  const key = containerKey(channel, root);
  const token = Symbol(key);
  loads.set(key, token);
  const started = performance.now();
  try {
    const { messages } = await api('GET', `/api/console/messages?${query({ as: S.me, channel, thread: root })}`);
    if (gen !== S.gen || loads.get(key) !== token) return;
    const ids = new Set(messages.map((m) => m.id));
    const fresh = (id) => (S.received.get(id) ?? -1) > started;
    for (const m of [...S.msgs.values()]) {
      const inScope = root ? m.thread === root : !m.thread && m.channel === channel;
      if (inScope && !ids.has(m.id) && !fresh(m.id) && m.id !== S.thread) S.msgs.delete(m.id);
    }
    for (const m of messages) if (!fresh(m.id)) S.msgs.set(m.id, m);
    S.errors.delete(key);
    if (root) {
      S.loadedThreads.add(root);
      const rootMessage = S.msgs.get(root);
      if (!rootMessage && !quiet && S.thread === root) {
        toast('This thread no longer exists.', { tone: 'error' });
        go(channel, null, { replace: true });
      }
    } else S.loadedChannels.set(channel, messages.length);
  } catch (e) {
    if (gen !== S.gen || loads.get(key) !== token) return;
    if (quiet) return;
    S.errors.set(key, e.sentence ?? 'The messages could not be loaded.');
  }
  if (channel === S.channel) renderAll();
}

async function boot(as, focus) {
  const gen = ++S.gen;
  let state;
  try {
    try {
      state = await api('GET', `/api/console/state${as ? `?${query({ as })}` : ''}`);
    } catch (e) {
      // The remembered person may be gone; let the server choose.
      if (!as || e.status < 400 || e.status >= 500) throw e;
      state = await api('GET', '/api/console/state');
    }
  } catch (e) {
    if (gen === S.gen) bootError(e, as);
    return;
  }
  if (gen !== S.gen) return;
  $('main-top').replaceChildren();
  delete $('main-top').dataset.sig;
  // What one person was told is not for the next one.
  $('toasts').replaceChildren();
  saveDrafts();
  for (const name of ['msgs', 'received', 'loadedChannels', 'loadedThreads', 'errors', 'pending', 'inflight', 'held', 'queues', 'drafts', 'unread', 'posted', 'botReplied']) S[name].clear();
  for (const t of S.typing.values()) clearTimeout(t.timer);
  S.typing.clear();
  const before = S.state?.channels.find((c) => c.id === S.channel);
  S.state = state;
  S.me = state.me;
  storage.set('stationmaster.as', state.me);
  for (const view of views) { view.editing = null; view.key = null; view.input.value = ''; grow(view.input); }
  // Keep the channel when the new person can see it; a direct message maps to their own.
  if (before) {
    const same = state.channels.find((c) => c.id === before.id)
      ?? (before.kind === 'dm' ? state.channels.find((c) => c.kind === 'dm') : null) ?? state.channels[0];
    if (same) history.replaceState(null, '', urlFor(same.id, null));
  }
  S.channel = null;
  S.thread = null;
  applyRoute();
  connect();
  if (focus && !touchMq.matches) main.input.focus();
}

function bootError(e, as) {
  S.state = null;
  $('channel-name').textContent = 'Stationmaster';
  $('main-top').replaceChildren(el('section', { class: 'welcome', role: 'alert' },
    el('h2', { text: 'The console could not start' }), el('p', { text: e.sentence ?? String(e) }),
    el('button', { type: 'button', class: 'button button-primary', text: 'Try again', on: { click: () => boot(as, true) } })));
}

// ----------------------------------------------------------------- sending

function bump(map, key, by) { map.set(key, (map.get(key) ?? 0) + by); }

function submit(view) {
  const text = view.input.value.trim();
  if (!text || !S.state || !S.channel) { view.input.focus(); return; }
  if (view === thread && !S.thread) return;
  const command = /^\/(?:platform(?:\s+|$))?([a-z]*)\s*([\s\S]*)$/.exec(text);
  if (command) { runCommand(view, command[1] || 'help', command[2]); return; }
  const p = {
    key: uuid(), text, at: new Date(), status: 'sending', error: null,
    channel: S.channel, thread: view === thread ? S.thread : null,
  };
  view.input.value = '';
  grow(view.input);
  const key = containerKey(p.channel, p.thread);
  S.drafts.delete(key);
  S.pending.set(key, [...(S.pending.get(key) ?? []), p]);
  view.atEnd = true;
  render(view);
  enqueue(p);
}

function enqueue(p) {
  const key = containerKey(p.channel, p.thread);
  const gen = S.gen;
  bump(S.inflight, key, 1);
  const run = (S.queues.get(key) ?? Promise.resolve()).then(() => (gen === S.gen ? post(p, gen) : null));
  S.queues.set(key, run);
}

async function post(p, gen) {
  const key = containerKey(p.channel, p.thread);
  let message = null;
  try {
    ({ message } = await api('POST', '/api/console/messages', { as: S.me, channel: p.channel, thread: p.thread, text: p.text, key: p.key }));
  } catch (e) {
    if (gen !== S.gen) return;
    // The answer may be lost although the message arrived: then it is among the held ones.
    const squash = (s) => s.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
    message = (S.held.get(key) ?? []).find((m) => (m.key ? m.key === p.key : squash(plainText(m)) === squash(p.text))) ?? null;
    if (!message && !p.done) { p.status = 'failed'; p.error = e.sentence ?? String(e); announce(`Your message was not sent. ${p.error}`); }
  }
  if (gen !== S.gen) return;
  bump(S.inflight, key, -1);
  if (message) confirmSent(p, message);
  if ((S.inflight.get(key) ?? 0) <= 0) {
    for (const m of S.held.get(key) ?? []) receive(m);
    S.held.delete(key);
  }
  renderAll();
}

function confirmSent(p, message) {
  if (p.done) return;
  p.done = true;
  const key = containerKey(p.channel, p.thread);
  S.pending.set(key, (S.pending.get(key) ?? []).filter((x) => x !== p));
  const held = S.held.get(key) ?? [];
  const live = held.find((m) => m.id === message.id);
  if (live) S.held.set(key, held.filter((m) => m.id !== message.id));
  if (!S.msgs.has(message.id)) put(live ?? message, { live: true });
  for (const view of views) if (view.lastKey === p.key) view.lastKey = message.id;
  if (!message.thread) {
    S.posted.add(message.id);
    maybeAutoOpen(message.id);
  }
}

function retry(p) {
  if (p.status !== 'failed') return;
  p.status = 'sending';
  p.error = null;
  renderAll();
  enqueue(p);
}

function discard(view, p) {
  const key = containerKey(p.channel, p.thread);
  S.pending.set(key, (S.pending.get(key) ?? []).filter((x) => x !== p));
  // Nothing the person wrote is thrown away silently.
  if (!view.input.value.trim()) { view.input.value = p.text; grow(view.input); }
  renderAll();
  view.input.focus();
}

function confirmDelete(m) {
  const { dialog, body, foot } = makeDialog('Delete this message?', 'confirm');
  body.append(el('p', { text: 'It disappears for everyone who can see it. Replies stay.' }),
    el('div', { class: 'delete-preview' }, htmlNode(m.html, null)));
  const error = el('p', { class: 'field-error', role: 'alert' });
  body.append(error);
  const remove = el('button', { type: 'button', class: 'button button-danger', 'data-testid': 'confirm-delete', text: 'Delete' });
  foot.append(remove, el('button', { type: 'button', class: 'button button-default', text: 'Cancel', on: { click: () => dialog.close() } }));
  const gen = S.gen;
  remove.addEventListener('click', async () => {
    if (remove.getAttribute('aria-disabled')) return;
    remove.setAttribute('aria-disabled', 'true');
    try {
      const { message } = await api('DELETE', `/api/console/messages/${encodeURIComponent(m.id)}?${query({ as: S.me })}`);
      if (gen !== S.gen) return;
      put(message);
      dialog.close();
      renderAll();
    } catch (e) {
      error.textContent = e.sentence ?? String(e);
      remove.removeAttribute('aria-disabled');
    }
  });
  openDialog(dialog);
  remove.focus();
}

// --------------------------------------------------------- actions, forms

async function runAction(m, item, button) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true');
  button.classList.add('busy');
  const gen = S.gen;
  try {
    const result = await api('POST', '/api/console/actions', { as: S.me, message: m.id, action: item.action });
    if (gen !== S.gen) return;
    if (result.message) receive(result.message);
    if (result.notice) toast(result.notice);
    if (result.form) showForm(result.form);
  } catch (e) {
    if (gen === S.gen) toast(e.sentence ?? String(e), { tone: 'error' });
  } finally {
    button.removeAttribute('aria-disabled');
    button.classList.remove('busy');
  }
}

// A command as in chat: `/platform services`, or `/services`. Cards come back as messages for this person alone.
async function runCommand(view, verb, text) {
  const line = view.input.value;
  const gen = S.gen;
  view.input.value = '';
  grow(view.input);
  view.atEnd = true;
  try {
    const result = await api('POST', '/api/console/commands', { as: S.me, channel: S.channel, verb, text, key: uuid() });
    if (gen !== S.gen) return;
    if (result.notice) toast(result.notice);
    if (result.form) showForm(result.form);
  } catch (e) {
    if (gen !== S.gen) return;
    if (!view.input.value) view.input.value = line;
    toast(e.sentence ?? String(e), { tone: 'error' });
  }
}

let dialogCount = 0;
function makeDialog(title, testid) {
  const id = `dialog-${++dialogCount}`;
  const dialog = el('dialog', { class: 'dialog', 'aria-labelledby': `${id}-title`, 'data-testid': testid });
  const body = el('div', { class: 'dialog-body' });
  const foot = el('div', { class: 'dialog-foot' });
  dialog.append(
    el('div', { class: 'dialog-head' },
      el('h2', { id: `${id}-title`, text: title }),
      el('button', { type: 'button', class: 'icon-button', 'aria-label': 'Close', on: { click: () => dialog.close() } }, icon('close'))),
    body, foot);
  return { dialog, body, foot, id };
}

function openDialog(dialog) {
  const opener = document.activeElement;
  const row = opener?.closest?.('li[data-key]')?.dataset.key;
  const fk = opener?.dataset?.fk;
  const view = thread.list.contains(opener) ? thread : main;
  document.body.append(dialog);
  // A press on the backdrop closes it, a drag out of a field does not.
  let pressed = false;
  dialog.addEventListener('pointerdown', (e) => { pressed = e.target === dialog; });
  dialog.addEventListener('click', (e) => { if (pressed && e.target === dialog && !dialog.querySelector('form')) dialog.close(); });
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (opener?.isConnected && opener !== document.body) { opener.focus(); return; }
    const node = row && view.nodes.get(row)?.node;
    ((fk && [...(node?.querySelectorAll('[data-fk]') ?? [])].find((n) => n.dataset.fk === fk)) || node || view.input).focus();
  });
  dialog.showModal();
}

function showForm(form) {
  const { dialog, body, foot, id } = makeDialog(form.title, 'form');
  const htmlForm = el('form', { class: 'dialog-form', novalidate: true, autocomplete: 'off' });
  const general = el('p', { class: 'field-error', role: 'alert' });
  const fields = (form.fields ?? []).map((field, i) => fieldNode(field, `${id}-${i}`));
  body.append(general, ...fields.map((f) => f.node));
  const send = el('button', { type: 'submit', class: 'button button-primary', 'data-testid': 'form-submit', text: form.submit || 'Send' });
  foot.append(send, el('button', { type: 'button', class: 'button button-default', text: 'Cancel', on: { click: () => dialog.close() } }));
  dialog.append(htmlForm);
  htmlForm.append(...[...dialog.children].filter((n) => n !== htmlForm));
  const gen = S.gen;
  let busy = false;

  const showErrors = (errors) => {
    for (const f of fields) f.setError(errors[f.id] ?? null);
    const rest = Object.entries(errors).filter(([name]) => !fields.some((f) => f.id === name)).map(([, text]) => text);
    general.textContent = rest.join(' ');
    fields.find((f) => errors[f.id])?.focus();
  };

  htmlForm.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    const missing = {};
    const values = {};
    for (const f of fields) {
      values[f.id] = f.value();
      if (f.required && !values[f.id].trim()) missing[f.id] = f.choice ? 'Choose one.' : 'This field is needed.';
    }
    showErrors(missing);
    if (Object.keys(missing).length) return;
    busy = true;
    send.setAttribute('aria-disabled', 'true');
    try {
      const result = await api('POST', '/api/console/forms', { as: S.me, form: form.id, values });
      if (gen !== S.gen) { dialog.close(); return; }
      dialog.close();
      if (result.notice) toast(result.notice);
      if (result.form) showForm(result.form);
    } catch (e) {
      if (e.errors) showErrors(e.errors);
      else general.textContent = e.sentence ?? String(e);
    } finally {
      busy = false;
      send.removeAttribute('aria-disabled');
    }
  });
  openDialog(dialog);
  fields[0]?.focus();
}

function fieldNode(field, id) {
  const error = el('p', { class: 'field-error', id: `${id}-error` });
  const help = field.help ? el('p', { class: 'field-help', id: `${id}-help`, text: field.help }) : null;
  const optional = field.required ? null : el('span', { class: 'optional', text: ' (optional)' });
  const describedBy = () => [help && help.id, error.textContent && error.id].filter(Boolean).join(' ');
  const options = field.options ?? [];
  let node;
  let control;
  let value;

  const grouped = field.kind === 'radio' || field.kind === 'checkboxes';
  const chosen = (field.value ?? '').split('\n');

  if (grouped) {
    const several = field.kind === 'checkboxes';
    node = el('fieldset', { class: 'field' });
    node.append(el('legend', null, field.label, optional));
    if (help) node.append(help);
    for (const option of options) {
      node.append(el('label', { class: 'radio' },
        el('input', {
          type: several ? 'checkbox' : 'radio', name: id, value: option.value,
          checked: chosen.includes(option.value), required: field.required && !several,
        }),
        el('span', { text: option.label })));
    }
    node.append(error);
    control = node.querySelector('input');
    value = () => [...node.querySelectorAll('input:checked')].map((input) => input.value).join('\n');
  } else if (field.kind === 'flag') {
    control = el('input', { id, type: 'checkbox', checked: field.value === 'true' });
    node = el('div', { class: 'field' }, el('label', { class: 'radio', for: id }, control, el('span', { text: field.label })), help, error);
    value = () => (control.checked ? 'true' : '');
  } else {
    if (field.kind === 'select') {
      control = el('select', { id, class: 'input' },
        el('option', { value: '', text: field.required ? 'Choose…' : 'None' }),
        options.map((option) => el('option', { value: option.value, text: option.label })));
    } else if (field.kind === 'textarea') {
      control = el('textarea', { id, class: 'input', rows: '4', maxlength: field.max_length });
    } else if (field.kind === 'integer' || field.kind === 'number') {
      control = el('input', { id, class: 'input', type: 'number', step: field.kind === 'integer' ? '1' : 'any' });
    } else if (field.kind === 'date') {
      control = el('input', { id, class: 'input', type: 'date' });
    } else {
      control = el('input', { id, class: 'input', type: 'text', maxlength: field.max_length });
    }
    if (field.value !== null && field.value !== undefined) control.value = field.value;
    if (field.required) control.required = true;
    node = el('div', { class: 'field' }, el('label', { for: id }, field.label, optional), help, control, error);
    if (field.max_length && (field.kind === 'text' || field.kind === 'textarea')) {
      const left = el('p', { class: 'field-help field-count', 'aria-hidden': 'true' });
      const update = () => { left.textContent = control.value.length > field.max_length * 0.6 ? `${control.value.length} of ${field.max_length} characters` : ''; };
      control.addEventListener('input', update);
      update();
      node.append(left);
    }
    value = () => control.value;
  }
  node.dataset.field = field.id;
  if (help) (grouped ? node : control).setAttribute('aria-describedby', help.id);
  return {
    id: field.id,
    required: Boolean(field.required),
    choice: grouped || field.kind === 'select',
    node,
    value,
    focus: () => (node.querySelector('input:checked') ?? control)?.focus(),
    setError(text) {
      error.textContent = text ?? '';
      node.classList.toggle('has-error', Boolean(text));
      const target = grouped ? node : control;
      if (!target) return;
      if (text && !grouped) target.setAttribute('aria-invalid', 'true'); else target.removeAttribute('aria-invalid');
      const ids = describedBy();
      if (ids) target.setAttribute('aria-describedby', ids); else target.removeAttribute('aria-describedby');
    },
  };
}

function toast(text, { tone = 'info' } = {}) {
  const box = $('toasts');
  const close = el('button', { type: 'button', class: 'icon-button', 'aria-label': 'Dismiss' }, icon('close'));
  const node = el('div', { class: `toast toast-${tone}`, 'data-testid': 'notice' }, el('span', { class: 'toast-text', text }), close);
  let timer = 0;
  const stop = () => clearTimeout(timer);
  const start = () => { stop(); timer = setTimeout(() => node.remove(), tone === 'error' ? 14000 : 7000); };
  close.addEventListener('click', () => { node.remove(); (S.thread ? thread : main).input.focus(); });
  node.addEventListener('pointerenter', stop);
  node.addEventListener('pointerleave', start);
  node.addEventListener('focusin', stop);
  node.addEventListener('focusout', start);
  while (box.childElementCount >= 2) box.firstChild.remove();
  box.append(node);
  start();
}

function announce(text) {
  const log = $('live-log');
  log.append(el('p', { text }));
  while (log.childElementCount > 8) log.firstChild.remove();
}

function showHelp() {
  if (document.querySelector('dialog[open]')) return;
  const { dialog, body, foot } = makeDialog('Keyboard shortcuts', 'help');
  const rowsOf = [
    [['Enter'], 'Send the message'],
    [['Shift', 'Enter'], 'New line'],
    [['↑'], 'Edit your last message (in an empty message box)'],
    [['/'], 'Go to the message box', ['Ctrl', 'K']],
    [['Alt', '↑'], 'Previous or next channel', ['Alt', '↓']],
    [['Esc'], 'Close the thread, a form or an edit'],
    [['?'], 'Show this sheet'],
  ];
  const combo = (keys) => keys.flatMap((k, i) => (i ? ['+', el('kbd', { text: k })] : [el('kbd', { text: k })]));
  body.append(el('dl', { class: 'keys' }, rowsOf.map(([keys, text, other]) =>
    el('div', null, el('dt', null, combo(keys), other && ' or ', other && combo(other)), el('dd', { text })))));
  foot.append(el('button', { type: 'button', class: 'button button-primary', text: 'Close', on: { click: () => dialog.close() } }));
  openDialog(dialog);
  foot.querySelector('button').focus();
}

// ------------------------------------------------------------------ typing

function isTyping(channel, root) {
  return (S.typing.get(containerKey(channel, root))?.until ?? 0) > Date.now();
}

function setTyping(channel, root) {
  const key = containerKey(channel, root);
  clearTimeout(S.typing.get(key)?.timer);
  S.typing.set(key, { until: Date.now() + TYPING_MS, timer: setTimeout(() => clearTyping(channel, root), TYPING_MS) });
  if (channel === S.channel) renderAll();
}

function clearTyping(channel, root) {
  const key = containerKey(channel, root);
  if (!S.typing.has(key)) return;
  clearTimeout(S.typing.get(key).timer);
  S.typing.delete(key);
  if (channel === S.channel) renderAll();
}

// ------------------------------------------------------------ event stream

const stream = { source: null, tries: 0, timer: 0, noticeTimer: 0, lost: false, last: 0, pings: false };

function connect() {
  clearTimeout(stream.timer);
  stream.source?.close();
  const gen = S.gen;
  const startedLoadingBefore = performance.now();
  const source = new EventSource(`/api/console/events?${query({ as: S.me })}`);
  stream.source = source;
  stream.last = Date.now();
  const mine = () => stream.source === source && gen === S.gen;
  const touch = () => { stream.last = Date.now(); };

  source.addEventListener('open', () => {
    if (!mine()) return;
    touch();
    const wasLost = stream.lost;
    stream.lost = false;
    stream.tries = 0;
    clearTimeout(stream.noticeTimer);
    $('connection').textContent = '';
    // Anything may have happened while nobody listened. The first time this
    // only matters when the messages were loaded before the stream was open.
    if (wasLost || S.loadedChannels.size || performance.now() - startedLoadingBefore > 300) refresh(wasLost);
  });
  source.addEventListener('message', (event) => { if (mine()) { touch(); const m = parse(event); if (m?.id) receive(m); } });
  source.addEventListener('typing', (event) => {
    if (!mine()) return;
    touch();
    const t = parse(event);
    if (t?.channel) setTyping(t.channel, t.thread ?? null);
  });
  source.addEventListener('ping', () => { touch(); stream.pings = true; });
  source.addEventListener('error', () => { if (mine()) lost(); });
}

function parse(event) { try { return JSON.parse(event.data); } catch { return null; } }

function lost() {
  stream.source?.close();
  stream.source = null;
  if (!stream.lost) {
    stream.lost = true;
    // A page that is being left also reports an error; wait a moment before saying so.
    stream.noticeTimer = setTimeout(() => { if (stream.lost) $('connection').textContent = 'Reconnecting…'; }, 500);
  }
  const wait = Math.min(15000, 800 * 2 ** stream.tries) * (0.8 + Math.random() * 0.4);
  stream.tries += 1;
  clearTimeout(stream.timer);
  stream.timer = setTimeout(connect, wait);
}

async function refresh(withState) {
  const gen = S.gen;
  if (withState) {
    try {
      const state = await api('GET', `/api/console/state?${query({ as: S.me })}`);
      if (gen !== S.gen) return;
      S.state = state;
      S.loadedThreads.clear();
      applyRoute();
    } catch { /* the message load below reports a problem */ }
  }
  if (gen !== S.gen || !S.channel) return;
  load(S.channel, null);
  if (S.thread) load(S.channel, S.thread);
}

addEventListener('online', () => { if (stream.lost) { stream.tries = 0; connect(); } });
addEventListener('offline', () => { if (stream.source) lost(); });
setInterval(() => {
  // A half-open connection reports nothing; missing pings give it away.
  if (stream.source && stream.pings && Date.now() - stream.last > 120000) lost();
}, 15000);

function receive(m) {
  const key = containerKey(m.channel, m.thread);
  const known = S.msgs.get(m.id);
  if (!known && isMine(m)) {
    const match = m.key && (S.pending.get(key) ?? []).find((p) => p.key === m.key);
    // Our own message can arrive before the answer to the send; wait for that answer.
    if (match) { confirmSent(match, m); renderAll(); return; }
    if ((S.inflight.get(key) ?? 0) > 0) { S.held.set(key, [...(S.held.get(key) ?? []).filter((x) => x.id !== m.id), m]); return; }
  }
  put(m, { live: true });
  if (m.author.kind === 'bot') {
    S.botReplied.add(m.thread ?? m.id);
    const typingKey = containerKey(m.channel, m.thread);
    if (S.typing.has(typingKey)) { clearTimeout(S.typing.get(typingKey).timer); S.typing.delete(typingKey); }
  }
  const here = m.channel === S.channel;
  if (here && m.thread && m.author.kind === 'bot') maybeAutoOpen(m.thread);
  if (here) renderAll();
  if (!known && !isMine(m) && !m.deleted) {
    if (!here || document.hidden) { bump(S.unread, m.channel, 1); renderSidebar(); renderHeader(); }
    const channel = S.state.channels.find((c) => c.id === m.channel);
    if (here) announce(`${m.author.name}${m.thread ? ' replied' : ''}: ${plainText(m).slice(0, 400)}`);
    else if (channel) announce(`New message in ${channelTitle(channel)}`);
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden || !S.state || !S.unread.get(S.channel)) return;
  S.unread.delete(S.channel);
  renderSidebar();
  renderHeader();
});

// -------------------------------------------------------------- composer

function grow(input) {
  input.style.height = 'auto';
  const max = Math.min(280, window.innerHeight * 0.4);
  input.style.height = `${Math.min(input.scrollHeight, max)}px`;
  input.style.overflowY = input.scrollHeight > max ? 'auto' : 'hidden';
}

for (const view of views) {
  view.form.addEventListener('submit', (event) => { event.preventDefault(); submit(view); });
  view.input.addEventListener('input', () => grow(view.input));
  view.input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); view.form.requestSubmit(); return; }
    if (event.key === 'ArrowUp' && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey && view.input.value === '') {
      const list = view === main ? rootsOf(S.channel) : [S.msgs.get(S.thread), ...repliesOf(S.thread)].filter(Boolean);
      const last = list.filter((m) => isMine(m) && !m.deleted).at(-1);
      if (last) { event.preventDefault(); startEdit(view, last.id); }
    }
  });
  view.scroller.addEventListener('scroll', () => {
    const { scrollTop, scrollHeight, clientHeight } = view.scroller;
    view.atEnd = scrollHeight - scrollTop - clientHeight < 48;
    if (view.atEnd) view.jump.hidden = true;
  }, { passive: true });
  view.jump.addEventListener('click', () => { toEnd(view); view.input.focus({ preventScroll: true }); });
  new ResizeObserver(() => { if (view.atEnd) view.scroller.scrollTop = view.scroller.scrollHeight; }).observe(view.scroller);
}

// -------------------------------------------------------------- keyboard

const isTypingTarget = (node) => Boolean(node?.closest?.('textarea, input, select, [contenteditable]'));

function focusComposer() {
  closeDrawer();
  (S.thread && coverMq.matches ? thread : main).input.focus();
}

function switchChannel(step) {
  const order = [...S.state.channels.filter((c) => c.kind !== 'dm'), ...S.state.channels.filter((c) => c.kind === 'dm')];
  if (order.length < 2) return;
  const at = order.findIndex((c) => c.id === S.channel);
  const next = order[(at + step + order.length) % order.length];
  const typing = isTypingTarget(document.activeElement);
  go(next.id, null);
  announce(`${channelTitle(next)}: ${next.mode_label}`);
  if (typing || document.activeElement === document.body) main.input.focus();
}

document.addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.isComposing || !S.state || document.querySelector('dialog[open]')) return;
  const { key, target } = event;
  if (key === 'Escape') {
    const editing = views.find((v) => v.editing);
    if (editing) stopEdit(editing);
    else if ($('app').dataset.drawer === 'open') closeDrawer();
    else if (S.thread) closeThread();
    else return;
    event.preventDefault();
  } else if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && key.toLowerCase() === 'k') {
    event.preventDefault();
    focusComposer();
  } else if (event.altKey && !event.ctrlKey && !event.metaKey && (key === 'ArrowUp' || key === 'ArrowDown')) {
    event.preventDefault();
    switchChannel(key === 'ArrowUp' ? -1 : 1);
  } else if (!isTypingTarget(target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    if (key === '/') { event.preventDefault(); focusComposer(); }
    if (key === '?') { event.preventDefault(); showHelp(); }
  }
});

$('skip').addEventListener('click', (event) => { event.preventDefault(); focusComposer(); });
$('help-button').addEventListener('click', showHelp);
$('thread-close').addEventListener('click', closeThread);
$('drawer-open').addEventListener('click', openDrawer);
$('drawer-close').addEventListener('click', closeDrawer);
$('backdrop').addEventListener('click', closeDrawer);
$('identity').addEventListener('change', (event) => boot(event.target.value, false));
addEventListener('popstate', applyRoute);
addEventListener('hashchange', applyRoute);
for (const mq of [narrowMq, coverMq]) mq.addEventListener('change', renderLayout);

renderLayout();
boot(storage.get('stationmaster.as'), true);
