//! Deliveries to the app: envelopes on sockets, signed POSTs, acknowledgements and redeliveries.

use super::*;

impl FakeSlack {
    // Delivery.

    pub(super) async fn emit(&self, inner: Vec<Value>) -> Vec<Ack> {
        let callbacks: Vec<Value> = {
            let mut state = self.state();
            let callbacks: Vec<Value> = inner.into_iter().map(|event| state.callback(event)).collect();
            state.last_event = callbacks.last().cloned().or(state.last_event.take());
            callbacks
        };
        join_all(callbacks.into_iter().map(|event| self.deliver("events_api", event, false, 0))).await
    }

    pub(super) fn emit_in_background(&self, inner: Vec<Value>) {
        let callbacks: Vec<Value> = {
            let mut state = self.state();
            let reachable = state.settings.http_base.is_some() || !state.sockets.is_empty();
            if !state.settings.echo || !reachable {
                return;
            }
            inner.into_iter().map(|event| state.callback(event)).collect()
        };
        for event in callbacks {
            let fake = self.clone();
            tokio::spawn(async move { fake.deliver("events_api", event, false, 0).await });
        }
    }

    /// Sends until acknowledged; only events are sent again.
    pub(super) async fn deliver(&self, kind: &'static str, payload: Value, takes_payload: bool, first: usize) -> Ack {
        let waits = if kind == "events_api" { self.state().settings.retry_waits.clone() } else { Vec::new() };
        let started = Instant::now();
        let mut ack = Ack { event_id: payload["event_id"].as_str().map(Into::into), ..Ack::default() };
        let mut reason = if first > 0 { "timeout" } else { "" };
        loop {
            let sent = self.send_once(kind, &payload, takes_payload, first + ack.redeliveries, reason).await;
            ack.after = started.elapsed();
            match sent {
                Ok(answer) => {
                    ack.acknowledged = true;
                    if answer.is_some() && !takes_payload {
                        ack.problem = Some("this delivery takes no response payload".into());
                    }
                    ack.payload = answer;
                    break;
                }
                Err(why) => reason = why,
            }
            let Some(wait) = waits.get(ack.redeliveries).filter(|_| reason != "no_retry") else {
                break;
            };
            sleep(*wait).await;
            ack.redeliveries += 1;
        }
        if kind == "events_api" {
            self.state().acks.push(ack.clone());
        }
        ack
    }

    async fn send_once(
        &self,
        kind: &str,
        payload: &Value,
        takes_payload: bool,
        attempt: usize,
        reason: &'static str,
    ) -> Result<Option<Value>, &'static str> {
        let (wait, base) = {
            let state = self.state();
            (state.settings.ack_timeout, state.settings.http_base.clone())
        };
        if let Some(base) = base {
            return timeout(wait, post_signed(&base, kind, payload, attempt, reason))
                .await
                .unwrap_or(Err("http_timeout"));
        }
        let deadline = tokio::time::Instant::now() + wait;
        let (answered, answer) = oneshot::channel();
        let id = self.state().uuid();
        let mut envelope = json!({"envelope_id": id, "type": kind, "payload": payload,
            "accepts_response_payload": takes_payload});
        if kind == "events_api" {
            envelope["retry_attempt"] = json!(attempt);
            envelope["retry_reason"] = json!(reason);
        }
        let frame = envelope.to_string();
        self.state().waiting.insert(id.clone(), answered);
        while !self.state().transmit(&frame) && tokio::time::Instant::now() < deadline {
            sleep(Duration::from_millis(5)).await;
        }
        let settled = tokio::time::timeout_at(deadline, answer).await;
        self.state().waiting.remove(&id);
        settled.map_err(|_| "timeout")?.map_err(|_| "timeout")
    }

    fn acknowledged(&self, frame: &str) {
        let Ok(mut frame) = serde_json::from_str::<Value>(frame) else {
            return;
        };
        let id = frame["envelope_id"].as_str().unwrap_or_default().to_owned();
        if let Some(answered) = self.state().waiting.remove(&id) {
            // The delivery may just have run out of time.
            let _ = answered.send(frame.get_mut("payload").map(Value::take).filter(|payload| !payload.is_null()));
        }
    }

    async fn socket(self, socket: WebSocket) {
        let (line, mut frames) = mpsc::unbounded_channel();
        let (id, hello) = {
            let mut state = self.state();
            let id = state.next();
            if state.sockets.len() >= SOCKET_LIMIT {
                let full = json!({"type": "disconnect", "reason": "too_many_websockets",
                    "debug_info": {"host": "applink-fake"}});
                (id, Err(full.to_string()))
            } else {
                state.sockets.push(Socket { id, line: line.clone() });
                let hello = json!({"type": "hello", "num_connections": state.sockets.len(),
                    "connection_info": {"app_id": Self::APP_ID},
                    "debug_info": {"host": "applink-fake", "build_number": 1, "approximate_connection_time": 18060}});
                (id, Ok(hello.to_string()))
            }
        };
        // The line's other end is this function's, so these cannot fail.
        let _ = match hello {
            Ok(hello) => line.send(Frame::Text(hello)),
            Err(full) => line.send(Frame::Farewell(full)),
        };
        let (mut out, mut incoming) = socket.split();
        let mut leave_at = None;
        loop {
            let patience = leave_at.unwrap_or_else(|| tokio::time::Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                frame = frames.recv() => {
                    let sent = match frame {
                        Some(Frame::Text(text)) => out.send(Message::Text(text.into())).await,
                        Some(Frame::Farewell(text)) => {
                            leave_at = Some(tokio::time::Instant::now() + Duration::from_millis(500));
                            out.send(Message::Text(text.into())).await
                        }
                        Some(Frame::Cut) | None => break,
                    };
                    if sent.is_err() { break }
                }
                message = incoming.next() => match message {
                    Some(Ok(Message::Text(text))) => self.acknowledged(&text),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
                () = sleep_until(patience), if leave_at.is_some() => {
                    // The peer may have hung up first.
                    let _ = out.send(Message::Close(None)).await;
                    break;
                }
            }
        }
        self.state().sockets.retain(|other| other.id != id);
    }
}

pub(super) async fn link(Shared(fake): Shared<FakeSlack>, uri: Uri, upgrade: WebSocketUpgrade) -> Response {
    let query = parse_form(uri.query().unwrap_or_default());
    let known = query.get("ticket").and_then(Value::as_str).is_some_and(|ticket| fake.state().tickets.remove(ticket));
    if known {
        upgrade.on_upgrade(move |socket| fake.socket(socket))
    } else {
        Reply::new(403, "text/plain", "bad ticket").into_response()
    }
}

/// POSTs one delivery as Slack signs it; the error is Slack's retry reason.
pub(super) async fn post_signed(
    base: &str,
    kind: &str,
    payload: &Value,
    attempt: usize,
    reason: &str,
) -> Result<Option<Value>, &'static str> {
    let (path, content_type, body) = match kind {
        "events_api" => ("events", "application/json", payload.to_string()),
        "interactive" => {
            let fields = Args::from_iter([("payload".to_owned(), json!(payload.to_string()))]);
            ("interactions", "application/x-www-form-urlencoded", form(&fields))
        }
        _ => ("commands", "application/x-www-form-urlencoded", form(payload.as_object().expect("a command's fields"))),
    };
    let rest = base.strip_prefix("http://").expect("an http:// address");
    let (host, prefix) =
        rest.split_once('/').map_or((rest, String::new()), |(host, prefix)| (host, format!("/{prefix}")));
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs().to_string();
    // HTTP/1.0 keeps the answer free of chunks: it ends where the connection does.
    let mut request = format!(
        "POST {prefix}/{path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\n\
         Content-Type: {content_type}\r\nContent-Length: {}\r\nX-Slack-Request-Timestamp: {timestamp}\r\nX-Slack-Signature: {}\r\n",
        body.len(),
        FakeSlack::sign(&timestamp, &body),
    );
    if attempt > 0 {
        request += &format!("X-Slack-Retry-Num: {attempt}\r\nX-Slack-Retry-Reason: {reason}\r\n");
    }
    request += &format!("\r\n{body}");
    let mut stream = TcpStream::connect(host).await.map_err(|_| "connection_failed")?;
    stream.write_all(request.as_bytes()).await.map_err(|_| "connection_failed")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(|_| "connection_failed")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("connection_failed")?;
    let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("http_error")?;
    let accepted = if kind == "events_api" { (200..300).contains(&status) } else { status == 200 };
    match accepted {
        false if head.to_ascii_lowercase().contains("x-slack-no-retry: 1") => Err("no_retry"),
        false => Err("http_error"),
        true if body.trim().is_empty() || kind == "events_api" => Ok(None),
        true => Ok(Some(serde_json::from_str(body).unwrap_or_else(|_| json!({"text": body})))),
    }
}
