//! The HTTP side: requests, arguments, faults and the record.

use super::*;

pub(super) struct Reply {
    status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body: body.into() }
    }

    pub(super) fn json(status: u16, answer: Answer) -> Self {
        let body = match answer {
            Ok(mut body) => {
                body["ok"] = json!(true);
                body
            }
            Err(Value::String(error)) => json!({"ok": false, "error": error}),
            Err(mut body) => {
                body["ok"] = json!(false);
                body
            }
        };
        Self::new(status, "application/json; charset=utf-8", body.to_string())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let start = Response::builder().status(self.status);
        let whole = self.headers.iter().fold(start, |response, (name, value)| response.header(*name, value));
        whole.body(Body::from(self.body)).expect("well-formed status and headers")
    }
}

pub(super) async fn serve(Shared(fake): Shared<FakeSlack>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("the client sends its whole body");
    let path = parts.uri.path().to_owned();
    let (method, id) = match path.trim_start_matches('/').split_once('/') {
        Some(("api", method)) => (method, ""),
        Some(("upload", id)) => ("upload", id),
        Some(("files", id)) => ("download", id),
        Some(("response", id)) => ("response_url", id),
        _ => ("", ""),
    };
    let content_type = parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let args = parse_args(method, &parts.method, &parts.uri, content_type, &body);
    let fault = {
        let mut state = fake.state();
        let seen = args.as_ref().map_or_else(|_| json!(String::from_utf8_lossy(&body)), |args| json!(args));
        state.calls.push((method.into(), seen));
        state.faults.get_mut(method).and_then(VecDeque::pop_front)
    };
    let reply = match &fault {
        None | Some(Fault::LostReply) => match method {
            "upload" => fake.state().upload(id, content_type, &body),
            "download" => fake.state().download(id, &parts.headers),
            "response_url" => fake.state().post_to_hook(id, args),
            "" => Reply::new(404, "text/plain", "no such page"),
            _ => fake.state().api(method, &parts.method, &parts.headers, content_type, args),
        },
        Some(Fault::Status(status)) => {
            Reply::new(*status, "text/html", "<html><body>Something went wrong</body></html>")
        }
        Some(Fault::Error(error)) => Reply::json(200, Err(json!(error))),
        Some(Fault::RateLimited(seconds)) => {
            let mut reply = Reply::json(429, Err(json!("ratelimited")));
            reply.headers.push(("retry-after", seconds.to_string()));
            reply
        }
        Some(Fault::BadJson) => Reply::new(200, "application/json; charset=utf-8", "{\"ok\":true,\"chan"),
        Some(Fault::Hang) => Reply::new(0, "", ""),
    };
    let lost = matches!(fault, Some(Fault::Hang | Fault::LostReply));
    let (status, answer) = if lost { (0, "") } else { (reply.status, reply.body.as_str()) };
    let line = json!({"method": parts.method.as_str(), "url": parts.uri.to_string(), "ct": content_type,
        "body": String::from_utf8_lossy(&body), "status": status, "resp": answer});
    let caused = {
        let mut state = fake.state();
        state.record.push(line.to_string());
        std::mem::take(&mut state.outbox)
    };
    fake.emit_in_background(caused);
    match fault {
        Some(Fault::Hang) => std::future::pending().await,
        // Ends the connection's task, and so the connection, without a word to the client or the console.
        Some(Fault::LostReply) => resume_unwind(Box::new("the reply is lost on purpose")),
        _ => reply.into_response(),
    }
}

/// Methods that do not read a JSON body.
pub(super) fn takes_no_json(method: &str) -> bool {
    let reads = [
        "auth.test",
        "bots.info",
        "chat.getPermalink",
        "conversations.history",
        "conversations.info",
        "conversations.list",
        "conversations.members",
        "conversations.replies",
        "files.getUploadURLExternal",
        "files.info",
        "team.info",
    ];
    reads.contains(&method) || method.starts_with("users.") || method.starts_with("usergroups.")
}

pub(super) fn parse_args(
    method: &str,
    http: &Method,
    uri: &Uri,
    content_type: &str,
    body: &Bytes,
) -> Result<Args, Value> {
    let mut args = parse_form(uri.query().unwrap_or_default());
    if http != Method::POST || method == "upload" {
        return Ok(args);
    }
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" if takes_no_json(method) => {}
        "application/json" => {
            let given: Value = serde_json::from_slice(body).map_err(|_| json!("invalid_json"))?;
            let Value::Object(mut given) = given else {
                return Err(json!("json_not_object"));
            };
            // A token only counts in the header or a form.
            given.remove("token");
            args.extend(given);
        }
        "application/x-www-form-urlencoded" => args.extend(parse_form(&String::from_utf8_lossy(body))),
        "" if body.is_empty() => {}
        "" => Err("missing_post_type")?,
        _ => Err("invalid_post_type")?,
    }
    for key in STRUCTURED {
        if let Some(Value::String(text)) = args.get(*key) {
            let malformed = if *key == "blocks" { "invalid_blocks_format" } else { "invalid_arguments" };
            let parsed: Value = serde_json::from_str(text).map_err(|_| json!(malformed))?;
            args.insert((*key).into(), parsed);
        }
    }
    Ok(args)
}

pub(super) fn parse_form(text: &str) -> Args {
    let decode = |part: &str| {
        let mut bytes = Vec::new();
        let mut rest = part.as_bytes();
        while let [first, tail @ ..] = rest {
            let hex = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let (byte, after) = match (first, tail.get(..2).and_then(hex)) {
                (b'%', Some(byte)) => (byte, &tail[2..]),
                (b'+', _) => (b' ', tail),
                _ => (*first, tail),
            };
            bytes.push(byte);
            rest = after;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), json!(decode(v)))).collect()
}

pub(super) fn form(fields: &Args) -> String {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |out, byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out + &char::from(byte).to_string(),
            _ => format!("{out}%{byte:02X}"),
        })
    };
    let pair =
        |(key, value): (&String, &Value)| format!("{key}={}", encode(value.as_str().expect("form fields are text")));
    fields.iter().map(pair).collect::<Vec<String>>().join("&")
}
