//! A service behind a signed webhook: CloudEvents out, the status of a run back at once or by a callback.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use url::Url;

use super::{
    Error, Headers, Link, Run, RunState,
    http::{Access, Http, Service},
    presentable,
    signature::{BadSecret, Key, Refusal},
    web_address,
};
use crate::{
    clock::{SharedClock, Timestamp},
    domain::ids::JobId,
};

/// The event that asks for a service.
pub const SERVICE_REQUESTED: &str = "stationmaster.service.requested.v1";

/// Something that happened here, for somebody outside.
#[derive(Debug, Clone)]
pub struct Event {
    /// The same on every attempt: the other side knows by it what it has done already.
    pub run: JobId,
    /// As in [`SERVICE_REQUESTED`].
    pub kind: &'static str,
    /// Address of this installation.
    pub source: String,
    /// What it is about, as in the id of a request.
    pub subject: String,
    pub at: Timestamp,
    pub data: Json,
}

impl Event {
    /// CloudEvents 1.0 in structured mode (`spec.md` and `bindings/http-protocol-binding.md` of cloudevents/spec).
    fn envelope(&self) -> Json {
        json!({
            "specversion": "1.0",
            "id": self.run.to_string(),
            "source": self.source,
            "type": self.kind,
            "subject": self.subject,
            "time": self.at.to_string(),
            "datacontenttype": "application/json",
            "data": self.data,
        })
    }
}

/// Where events go, and the key that both sides share.
#[derive(Debug, Clone)]
pub struct Endpoint {
    service: Service,
    key: Key,
    clock: SharedClock,
}

impl Endpoint {
    /// # Errors
    /// When the secret is none.
    pub fn new(http: &Http, url: Url, secret: &SecretString) -> Result<Self, BadSecret> {
        let service = Service::new(http, "the webhook", url, Access::None, "", &[]);
        Ok(Self { service, key: Key::new(secret)?, clock: http.clock().clone() })
    }

    /// Sends the event. An answer without a status means that it was taken and goes on.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(&self, event: &Event) -> Result<Run, Error> {
        let body = event.envelope().to_string();
        let id = event.run.to_string();
        let seconds = self.clock.now().to_jiff().as_second();
        let headers = [
            ("content-type", "application/cloudevents+json; charset=utf-8".to_owned()),
            ("idempotency-key", id.clone()),
            ("webhook-signature", self.key.sign(&id, seconds, body.as_bytes())),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-id", id),
        ];
        let answer = self.service.post_raw(&headers, body).await?;
        // Whoever answers with something else has taken the event all the same.
        Ok(serde_json::from_value::<Report>(answer.body).unwrap_or_default().into_run())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    #[default]
    Running,
    Succeeded,
    Failed,
}

/// What a service says of a run.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    status: Status,
    message: Option<String>,
    url: Option<String>,
}

impl Report {
    fn into_run(self) -> Run {
        let Self { status, message, url } = self;
        let message = message.map(|text| presentable(&text)).filter(|text| !text.is_empty());
        let url = url.and_then(|text| web_address(&text));
        let state = match status {
            Status::Running => RunState::Running,
            Status::Succeeded => {
                let link = |url: &Url| Link { title: "Result".to_owned(), url: url.clone() };
                RunState::Succeeded { links: url.iter().map(link).collect() }
            }
            Status::Failed => {
                RunState::Failed { message: message.clone().unwrap_or_else(|| "no reason given".to_owned()) }
            }
        };
        Run { state, url, log: message.into_iter().collect() }
    }
}

/// News of a run, sent by the service that does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Unique per delivery and the same on redelivery.
    pub delivery: String,
    pub run: JobId,
    pub news: Run,
}

/// Checks and reads `{run, status: running | succeeded | failed, message, url}`, signed as what we send.
///
/// # Errors
/// [`Refusal`].
pub fn verify_callback(
    headers: &Headers,
    body: &[u8],
    secret: &SecretString,
    now: Timestamp,
) -> Result<Callback, Refusal> {
    #[derive(Deserialize)]
    struct Body {
        run: JobId,
        status: Status,
        message: Option<String>,
        url: Option<String>,
    }
    let key = Key::new(secret).map_err(|_| Refusal::NoSecret)?;
    let delivery = key.verify(headers, body, now)?.to_owned();
    let Body { run, status, message, url } = serde_json::from_slice(body).map_err(|_| Refusal::Unreadable)?;
    Ok(Callback { delivery, run, news: Report { status, message, url }.into_run() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "0192f0c1-2345-7000-8000-000000000001";
    const NOW: Timestamp = Timestamp::from_micros(1_778_580_000_000_000);

    fn callback(body: &str) -> Result<Callback, Refusal> {
        let secret = SecretString::from("shared by both sides");
        let signature = Key::new(&secret).unwrap().sign("msg_1", 1_778_580_000, body.as_bytes());
        let headers = [("webhook-id", "msg_1"), ("webhook-timestamp", "1778580000"), ("webhook-signature", &signature)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        verify_callback(&headers, body.as_bytes(), &secret, NOW)
    }

    #[test]
    fn callbacks_are_read() {
        #[track_caller]
        fn check(body: &str, expected: &RunState) {
            let callback = callback(&body.replace("RUN", RUN)).unwrap();
            assert_eq!((callback.run.to_string().as_str(), callback.delivery.as_str()), (RUN, "msg_1"));
            assert_eq!(&callback.news.state, expected);
        }
        check(r#"{"run":"RUN","status":"running"}"#, &RunState::Running);
        check(r#"{"run":"RUN","status":"succeeded","url":"javascript:x"}"#, &RunState::Succeeded { links: vec![] });
        check(
            r#"{"run":"RUN","status":"succeeded","url":"https://x.example/","later":1}"#,
            &RunState::Succeeded {
                links: vec![Link { title: "Result".into(), url: "https://x.example/".parse().unwrap() }],
            },
        );
        check(
            r#"{"run":"RUN","status":"failed","message":"quota\nis used up"}"#,
            &RunState::Failed { message: "quota is used up".into() },
        );
        check(r#"{"run":"RUN","status":"failed"}"#, &RunState::Failed { message: "no reason given".into() });
    }

    #[test]
    fn what_is_no_callback_is_refused() {
        for body in ["", "[]", "{}", r#"{"run":"1","status":"running"}"#, r#"{"run":"RUN","status":"done"}"#] {
            assert_eq!(callback(&body.replace("RUN", RUN)), Err(Refusal::Unreadable), "{body}");
        }
        let mine = verify_callback(&Headers::new(), b"{}", &SecretString::from(""), NOW);
        assert_eq!(mine, Err(Refusal::NoSecret));
    }

    #[test]
    fn an_event_does_not_come_back_as_a_callback() {
        let event = Event {
            run: RUN.parse().unwrap(),
            kind: SERVICE_REQUESTED,
            source: "https://desk.example".to_owned(),
            subject: "request/1".to_owned(),
            at: NOW,
            data: json!({"run": RUN, "status": "succeeded"}),
        };
        assert_eq!(callback(&event.envelope().to_string()), Err(Refusal::Unreadable));
    }
}
