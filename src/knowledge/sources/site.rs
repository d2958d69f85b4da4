//! An HTML site: the pages of its sitemap, or what its links reach, inside one prefix and as `robots.txt` allows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use reqwest::{Client, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use texting_robots::Robot;
use url::Url;

use super::{Fetched, Known, Limits, Progress, RawPage};
use crate::knowledge::{Format, html};

const AGENT: &str = concat!("stationmaster/", env!("CARGO_PKG_VERSION"));

/// Notes between syncs: the links of each page, so that an unchanged page still leads on.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    links: BTreeMap<String, Vec<Url>>,
}

pub async fn fetch(
    start: &Url,
    prefix: &Url,
    max_pages: usize,
    known: &BTreeMap<String, Known>,
    checkpoint: Option<&Json>,
    limits: &Limits,
    progress: Progress<'_>,
) -> anyhow::Result<Fetched> {
    let mut crawl = Crawl {
        client: client(prefix, limits)?,
        prefix: prefix.clone(),
        robots: None,
        limits: limits.clone(),
        before: checkpoint.and_then(|json| serde_json::from_value(json.clone()).ok()).unwrap_or_default(),
        after: Notes::default(),
        fetched: Fetched::default(),
    };
    crawl.read_robots(start).await?;
    let (mut queue, follow) = crawl.first_pages(start).await?;
    let mut seen: BTreeSet<Url> = queue.iter().cloned().collect();
    while let Some(url) = queue.pop_front() {
        if crawl.fetched.pages.len() + crawl.fetched.unchanged.len() >= max_pages {
            crawl.fetched.problems.push((
                crawl.path_of(&url),
                format!("was left out with all that follow: the site has more than {max_pages} pages (max_pages)"),
            ));
            break;
        }
        progress(url.path());
        let first = seen.len() == 1;
        let links = match crawl.page(&url, known).await {
            Ok(links) => links,
            // The very first page failing means that the site is down, not that all its pages are gone.
            Err(error) if first => return Err(error.context(format!("read {url}"))),
            Err(error) => {
                crawl.fetched.problems.push((crawl.path_of(&url), format!("{error:#}")));
                continue;
            }
        };
        if follow {
            for link in links {
                if let Some(link) = crawl.wanted(link)
                    && seen.insert(link.clone())
                {
                    queue.push_back(link);
                }
            }
        }
    }
    let Crawl { after, mut fetched, .. } = crawl;
    fetched.checkpoint = serde_json::to_value(after).ok();
    Ok(fetched)
}

pub async fn probe(start: &Url, prefix: &Url, limits: &Limits) -> anyhow::Result<String> {
    let response = client(prefix, limits)?.get(start.clone()).send().await.with_context(|| format!("reach {start}"))?;
    anyhow::ensure!(response.status().is_success(), "{start} answers {}", response.status());
    Ok(format!("{start} answers"))
}

fn client(prefix: &Url, limits: &Limits) -> anyhow::Result<Client> {
    let inside = prefix.clone();
    Client::builder()
        .user_agent(AGENT)
        .timeout(limits.timeout)
        .redirect(reqwest::redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > 5 || attempt.url().host_str() != inside.host_str() {
                attempt.stop()
            } else {
                attempt.follow()
            }
        }))
        .build()
        .context("build the web client")
}

struct Crawl {
    client: Client,
    prefix: Url,
    robots: Option<Robot>,
    limits: Limits,
    before: Notes,
    after: Notes,
    fetched: Fetched,
}

impl Crawl {
    async fn read_robots(&mut self, start: &Url) -> anyhow::Result<()> {
        let url = start.join("/robots.txt").context("build the address of robots.txt")?;
        let response = self.client.get(url).send().await.with_context(|| format!("reach {start}"))?;
        if response.status().is_success() {
            let body = self.body(response).await?;
            self.robots = Robot::new(AGENT, &body).ok();
        }
        Ok(())
    }

    /// The pages to begin with, and whether their links are to be followed.
    async fn first_pages(&self, start: &Url) -> anyhow::Result<(VecDeque<Url>, bool)> {
        if is_sitemap(start) {
            let pages = self.sitemap(start, 0).await.with_context(|| format!("read the sitemap {start}"))?;
            anyhow::ensure!(!pages.is_empty(), "the sitemap {start} names no page below {}", self.prefix);
            return Ok((pages.into(), false));
        }
        let mut guesses: Vec<Url> = self
            .robots
            .iter()
            .flat_map(|robot| robot.sitemaps.iter())
            .filter_map(|text| Url::parse(text).ok())
            .filter(|url| url.host_str() == self.prefix.host_str())
            .collect();
        guesses.extend(self.prefix.join("sitemap.xml"));
        for guess in guesses {
            if let Ok(pages) = self.sitemap(&guess, 0).await
                && !pages.is_empty()
            {
                return Ok((pages.into(), false));
            }
        }
        Ok((VecDeque::from([self.wanted(start.clone()).unwrap_or_else(|| start.clone())]), true))
    }

    async fn sitemap(&self, url: &Url, depth: u8) -> anyhow::Result<Vec<Url>> {
        let response = self.client.get(url.clone()).send().await?.error_for_status()?;
        let body = self.body(response).await?;
        let (pages, nested) = read_sitemap(&body)?;
        let mut pages: Vec<Url> = pages.into_iter().filter_map(|url| self.wanted(url)).collect();
        if depth < 2 {
            for url in nested.into_iter().filter(|url| url.host_str() == self.prefix.host_str()).take(50) {
                pages.extend(Box::pin(self.sitemap(&url, depth + 1)).await?);
            }
        }
        pages.sort();
        pages.dedup();
        Ok(pages)
    }

    /// The address as it identifies a page, when it is one we may read.
    fn wanted(&self, mut url: Url) -> Option<Url> {
        url.set_fragment(None);
        url.set_query(None);
        let page = match url.path().rsplit('/').next().and_then(|name| name.rsplit_once('.')) {
            Some((_, ending)) => matches!(ending, "html" | "htm" | "xhtml" | "php" | "aspx") || ending.len() > 5,
            None => true,
        };
        let inside = url.as_str().starts_with(self.prefix.as_str());
        let allowed = self.robots.as_ref().is_none_or(|robot| robot.allowed(url.as_str()));
        (page && inside && allowed).then_some(url)
    }

    fn path_of(&self, url: &Url) -> String {
        let path = url.as_str().strip_prefix(self.prefix.as_str()).unwrap_or(url.path()).trim_start_matches('/');
        if path.is_empty() { "index".to_owned() } else { path.to_owned() }
    }

    /// Reads one page and returns its links.
    async fn page(&mut self, url: &Url, known: &BTreeMap<String, Known>) -> anyhow::Result<Vec<Url>> {
        let path = self.path_of(url);
        let validator = known.get(&path).and_then(|known| known.validator.as_deref());
        let mut request = self.client.get(url.clone()).header(header::ACCEPT, "text/html");
        if let Some(validator) = validator {
            request = if validator.starts_with('"') || validator.starts_with("W/") {
                request.header(header::IF_NONE_MATCH, validator)
            } else {
                request.header(header::IF_MODIFIED_SINCE, validator)
            };
        }
        let response = request.send().await.context("no answer")?;
        match response.status() {
            StatusCode::NOT_MODIFIED => {
                let links = self.before.links.get(&path).cloned().unwrap_or_default();
                self.after.links.insert(path.clone(), links.clone());
                self.fetched.unchanged.push(path);
                return Ok(links);
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                anyhow::ensure!(!known.is_empty() || self.after.links.len() > 1, "the server has no such page");
                return Ok(Vec::new());
            }
            status if status.is_success() => {}
            status => anyhow::bail!("the server answered {status}"),
        }
        if self.wanted(response.url().clone()).is_none() {
            return Ok(Vec::new());
        }
        let html_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_none_or(|kind| kind.contains("html"));
        if !html_type {
            return Ok(Vec::new());
        }
        let validator = [header::ETAG, header::LAST_MODIFIED]
            .iter()
            .find_map(|name| response.headers().get(name)?.to_str().ok().map(str::to_owned));
        let bytes = self.body(response).await?;
        let links = html::links(&String::from_utf8_lossy(&bytes), url);
        self.after.links.insert(path.clone(), links.clone());
        let page = RawPage { path, url: Some(url.clone()), bytes, format: Format::Html, title: None, validator };
        self.fetched.pages.push(page);
        Ok(links)
    }

    /// The body, read no further than the limit.
    async fn body(&self, response: reqwest::Response) -> anyhow::Result<Vec<u8>> {
        let limit = usize::try_from(self.limits.max_page_bytes).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            body.extend_from_slice(&piece.context("the connection broke")?);
            anyhow::ensure!(body.len() <= limit, "has more than {limit} bytes (knowledge.max_page_bytes)");
        }
        Ok(body)
    }
}

fn is_sitemap(url: &Url) -> bool {
    url.path().to_lowercase().ends_with(".xml")
}

/// Page addresses and nested sitemaps of a sitemap (sitemaps.org protocol 0.9).
fn read_sitemap(bytes: &[u8]) -> anyhow::Result<(Vec<Url>, Vec<Url>)> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let (mut pages, mut nested) = (Vec::new(), Vec::new());
    let mut inside_index = false;
    let mut location: Option<String> = None;
    loop {
        match reader.read_event().context("read the XML")? {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "sitemapindex" => inside_index = true,
                "loc" => location = Some(String::new()),
                _ => {}
            },
            Event::Text(text) => {
                if let Some(location) = &mut location {
                    location.push_str(&text);
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "loc" => {
                if let Some(url) = location.take().and_then(|text| Url::parse(text.trim()).ok()) {
                    if inside_index { nested.push(url) } else { pages.push(url) }
                }
            }
            Event::Eof => return Ok((pages, nested)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sitemaps_are_read() {
        let (pages, nested) =
            read_sitemap(b"<urlset><url><loc> https://d.example/a </loc></url><url><loc>nonsense</loc></url></urlset>")
                .unwrap();
        assert_eq!(pages.len(), 1);
        assert!(nested.is_empty());
        let (pages, nested) =
            read_sitemap(b"<sitemapindex><sitemap><loc>https://d.example/s.xml</loc></sitemap></sitemapindex>")
                .unwrap();
        assert!(pages.is_empty());
        assert_eq!(nested.len(), 1);
        assert!(read_sitemap(b"<a></b>").is_err());
    }
}
