//! Calls of Discord's HTTP interface: one way out, a longest wait around each call, and errors that can be acted on.

use std::{fmt, future::Future, num::NonZeroU64, pin::Pin, time::Duration};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use serenity::{
    builder::CreateAttachment,
    http::{Http, HttpBuilder, HttpError, LightMethod, Multipart, MultipartUpload, Request, Route},
};
use tracing::{Dispatch, instrument::WithSubscriber as _};

use crate::{
    chat::{OutboundFile, PostError},
    config::server::Discord as Settings,
    wire::{self, Cause, Fault},
};

/// Where Discord itself answers; any other address is a proxy or a test server.
const OFFICIAL: &str = "https://discord.com";

/// Longest description of a picture, in characters.
const MOST_ALT: usize = 1024;
/// Where Discord keeps attachments.
const FILE_HOSTS: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// Codes of Discord that mean something to us.
pub mod code {
    pub const UNKNOWN_CHANNEL: i64 = 10_003;
    pub const UNKNOWN_MESSAGE: i64 = 10_008;
    pub const UNKNOWN_WEBHOOK: i64 = 10_015;
    pub const UNKNOWN_INTERACTION: i64 = 10_062;
    pub const ALREADY_ACKNOWLEDGED: i64 = 40_060;
    pub const MISSING_ACCESS: i64 = 50_001;
    pub const CANNOT_MESSAGE_USER: i64 = 50_007;
    pub const NOT_A_TEXT_CHANNEL: i64 = 50_008;
    pub const MISSING_PERMISSIONS: i64 = 50_013;
    pub const INVALID_WEBHOOK_TOKEN: i64 = 50_027;
}

/// Why a call did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It may go through later; at the earliest after the given time, where Discord says.
    #[error("{reason}")]
    Later { reason: String, after: Option<Duration> },
    /// It will never go through. `code` is Discord's own, 0 where it gives none.
    #[error("status {status}, code {code}: {message}")]
    Refused { status: u16, code: i64, message: String },
    /// What answers is not Discord.
    #[error(
        "{address} answers with status {status} and is not Discord: is discord.api_url right? Discord's own is \
         https://discord.com"
    )]
    Elsewhere { status: u16, address: String },
}

impl CallError {
    fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }

    fn refused(message: impl Into<String>) -> Self {
        Self::Refused { status: 400, code: 0, message: message.into() }
    }

    /// When it may go through, where Discord says.
    pub const fn after(&self) -> Option<Duration> {
        match self {
            Self::Later { after, .. } => *after,
            Self::Refused { .. } | Self::Elsewhere { .. } => None,
        }
    }

    /// Discord's code, when it refused.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Later { .. } | Self::Elsewhere { .. } => None,
        }
    }

    /// The token is wrong. (A command's own token that has run out is something else.)
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401, code, .. } if *code != code::INVALID_WEBHOOK_TOKEN)
    }

    /// What to do about a refusal, where we know.
    pub fn advice(&self) -> &'static str {
        if self.is_unauthorized() {
            return "copy the token from the Bot page of the application at discord.com/developers/applications \
                    into STATIONMASTER_DISCORD_TOKEN";
        }
        match self.code() {
            Some(code::MISSING_ACCESS | code::UNKNOWN_CHANNEL) => {
                "add the bot to the server with the link of `stationmaster discord invite`, and give it View Channel there"
            }
            Some(code::MISSING_PERMISSIONS) => {
                "give the bot View Channel, Send Messages, Send Messages in Threads, Embed Links, \
                 Attach Files and Read Message History there"
            }
            Some(code::CANNOT_MESSAGE_USER) => "the person takes no direct messages from the bot; they can allow them",
            _ => "",
        }
    }
}

impl From<CallError> for PostError {
    fn from(error: CallError) -> Self {
        let advice = error.advice();
        match error {
            CallError::Later { reason, after } => Self::Later { reason, after },
            elsewhere @ CallError::Elsewhere { .. } => Self::Later { reason: elsewhere.to_string(), after: None },
            refused @ CallError::Refused { .. } if advice.is_empty() => Self::Never(refused.to_string()),
            refused @ CallError::Refused { .. } => Self::Never(format!("{refused}; {advice}")),
        }
    }
}

/// What came back, before it is judged.
struct Answer {
    status: u16,
    /// In seconds.
    retry_after: Option<f64>,
    body: Vec<u8>,
}

type Exchange<'a> = Pin<Box<dyn Future<Output = serenity::Result<Answer>> + Send + 'a>>;
type Transport = Box<dyn for<'a> Fn(&'a Http, Request<'a>) -> Exchange<'a> + Send + Sync>;

/// Discord's HTTP interface.
pub struct Api {
    http: Http,
    client: serenity_reqwest::Client,
    transport: Transport,
    /// Base address, without a slash at the end.
    address: String,
    timeout: Duration,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Api {
    /// # Errors
    /// When no client can be made of what TLS shall trust.
    pub fn new(settings: &Settings, tls: rustls::ClientConfig) -> anyhow::Result<Self> {
        let client = serenity_reqwest::Client::builder()
            .use_preconfigured_tls(tls)
            .build()
            .context("make the client for Discord")?;
        let address = settings.api_url.trim_end_matches('/').to_owned();
        // Away from Discord itself, a proxy counts the calls: serenity would send them to Discord if it counted too.
        let builder = HttpBuilder::new(settings.token.expose_secret()).client(client.clone());
        let http = if address == OFFICIAL {
            builder.build()
        } else {
            builder.proxy(&address).ratelimiter_disabled(true).build()
        };
        let timeout = Duration::from_secs(settings.timeout_seconds.max(1));
        Ok(Self { http, transport: transport(client.clone()), client, address, timeout })
    }

    /// Longest wait for one answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls with a JSON body. An answer without a body is `null`.
    ///
    /// # Errors
    /// [`CallError::Later`] when nothing came in time, the connection broke, or Discord is busy or broken;
    /// [`CallError::Refused`] otherwise.
    pub async fn call(&self, method: LightMethod, route: Route<'_>, body: &Value) -> Result<Value, CallError> {
        self.send(Request::new(route, method).body(Some(body.to_string().into_bytes()))).await
    }

    /// As [`Self::call`], with a file that becomes the message's attachment.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_with_file(
        &self,
        method: LightMethod,
        route: Route<'_>,
        body: &Value,
        file: &OutboundFile,
    ) -> Result<Value, CallError> {
        let attachment = CreateAttachment::bytes(file.bytes.clone(), file.name.clone());
        let mut body = body.clone();
        body["attachments"] = json!([{ "id": "0", "filename": file.name }]);
        if let Some(alt) = &file.alt {
            let alt: String = alt.chars().take(MOST_ALT).collect();
            body["attachments"][0]["description"] = json!(alt);
        }
        let parts = Multipart {
            upload: MultipartUpload::Attachments(vec![attachment]),
            fields: Vec::new(),
            payload_json: Some(body.to_string()),
        };
        self.send(Request::new(route, method).multipart(Some(parts))).await
    }

    /// What is in a file that Discord keeps, read no further than `limit` bytes.
    ///
    /// # Errors
    /// [`CallError::Refused`] when the address is not Discord's, the file is not there or is larger.
    pub async fn download(&self, address: &str, limit: usize) -> Result<Vec<u8>, CallError> {
        if !self.keeps_files(address) {
            return Err(CallError::refused("the file is kept outside of Discord"));
        }
        let reading = async {
            let mut response = self.client.get(address).send().await.map_err(|error| self.failed(Cause::of(&error)))?;
            match response.status().as_u16() {
                200 => {}
                status @ (408 | 429 | 500..) => {
                    return Err(CallError::later(format!("Discord answers with status {status}")));
                }
                status => {
                    return Err(CallError::Refused { status, code: 0, message: "the file is not there".to_owned() });
                }
            }
            let mut bytes = Vec::new();
            while let Some(piece) = response.chunk().await.map_err(|error| self.failed(Cause::of(&error)))? {
                bytes.extend_from_slice(&piece);
                if bytes.len() > limit {
                    return Err(CallError::refused(format!("the file is larger than {limit} bytes")));
                }
            }
            Ok(bytes)
        };
        tokio::time::timeout(self.timeout, reading).await.map_err(|_| self.failed(Cause::TimedOut))?
    }

    fn keeps_files(&self, address: &str) -> bool {
        let Ok(url) = url::Url::parse(address) else { return false };
        let discord = url.scheme() == "https" && url.host_str().is_some_and(|host| FILE_HOSTS.contains(&host));
        discord || url::Url::parse(&self.address).is_ok_and(|own| own.origin() == url.origin())
    }

    /// Asks for something, with the parameters of the address.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn get(&self, route: Route<'_>, params: Vec<(&'static str, String)>) -> Result<Value, CallError> {
        self.send(Request::new(route, LightMethod::Get).params((!params.is_empty()).then_some(params))).await
    }

    async fn send(&self, request: Request<'_>) -> Result<Value, CallError> {
        // serenity's spans carry whole requests: bodies and the tokens in addresses. They reach no log from here.
        let exchange = (self.transport)(&self.http, request).with_subscriber(Dispatch::none());
        match tokio::time::timeout(self.timeout, exchange).await {
            Err(_) => Err(self.failed(Cause::TimedOut)),
            Ok(Err(error)) => Err(self.broken(&error)),
            Ok(Ok(answer)) => judge(&answer, &self.address),
        }
    }

    /// A call that brought nothing back: where it went, why, and what to check.
    fn failed(&self, cause: Cause) -> CallError {
        let advice = "Check discord.api_url and the way out (firewall, proxy)";
        CallError::later(Fault::new(&self.address, cause, advice).to_string())
    }

    /// What the HTTP crate says itself is left out: it names whole addresses, and they hold tokens.
    fn broken(&self, error: &serenity::Error) -> CallError {
        match error {
            serenity::Error::Http(HttpError::RateLimitI64F64 | HttpError::RateLimitUtf8) => {
                CallError::later("Discord's rate limit could not be read")
            }
            serenity::Error::Http(HttpError::InvalidHeader(_)) => CallError::refused(
                "the token holds a strange character; copy it again into STATIONMASTER_DISCORD_TOKEN",
            ),
            serenity::Error::Http(HttpError::Request(error)) if error.is_timeout() => self.failed(Cause::TimedOut),
            serenity::Error::Http(HttpError::Request(error)) => self.failed(Cause::of(error)),
            _ => CallError::refused("the request could not be made; is discord.api_url an address?"),
        }
    }

    /// The bot's own user.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn me(&self) -> Result<Value, CallError> {
        self.get(Route::UserMe, Vec::new()).await
    }

    /// The bot's application: `id`, `flags`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn application(&self) -> Result<Value, CallError> {
        self.get(Route::Oauth2ApplicationCurrent, Vec::new()).await
    }

    /// A channel, a thread or a direct message.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn channel(&self, channel: &str) -> Result<Value, CallError> {
        self.get(Route::Channel { channel_id: id(channel)? }, Vec::new()).await
    }

    /// Id of the direct-message channel with a person.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn open_direct(&self, person: &str) -> Result<String, CallError> {
        id::<serenity::model::id::UserId>(person)?;
        let channel = self.call(LightMethod::Post, Route::UserMeDmChannels, &json!({ "recipient_id": person })).await?;
        match channel["id"].as_str() {
            Some(id) => Ok(id.to_owned()),
            None => Err(CallError::later("Discord opened a direct message without an id")),
        }
    }

    /// The newest `limit` messages of a channel after the message `after`, newest first.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn messages(&self, channel: &str, after: u64, limit: usize) -> Result<Vec<Value>, CallError> {
        const PAGE: usize = 100;
        let channel_id = id(channel)?;
        let mut found: Vec<Value> = Vec::new();
        let mut before: Option<u64> = None;
        while found.len() < limit {
            // Backwards from the newest: `after` alone would give the oldest first.
            let mut params = vec![("limit", PAGE.to_string())];
            params.extend(before.map(|before| ("before", before.to_string())));
            let page = self.get(Route::ChannelMessages { channel_id }, params).await?;
            let page = page.as_array().map(Vec::as_slice).unwrap_or_default();
            let fresh: Vec<&Value> = page.iter().filter(|message| snowflake(message) > after).collect();
            let ended = fresh.len() < PAGE;
            before = fresh.iter().map(|message| snowflake(message)).min();
            found.extend(fresh.into_iter().cloned());
            if ended || before.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Where the gateway is, and how long to wait before a session may begin.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn gateway(&self) -> Result<(String, Option<Duration>), CallError> {
        let answer = self.get(Route::GatewayBot, Vec::new()).await?;
        let limit = &answer["session_start_limit"];
        let spent = limit["remaining"].as_u64() == Some(0);
        let wait = limit["reset_after"].as_u64().filter(|_| spent).map(Duration::from_millis);
        match answer["url"].as_str() {
            Some(url) => Ok((url.to_owned(), wait)),
            None => Err(CallError::later("Discord named no gateway")),
        }
    }
}

/// One request and its whole answer. `Http::request` is not enough: of a 429 it keeps no time to wait.
fn transport(client: serenity_reqwest::Client) -> Transport {
    Box::new(move |http, request| {
        let client = client.clone();
        Box::pin(async move {
            let response = match &http.ratelimiter {
                Some(limiter) => limiter.perform(request).await?,
                None => request.build(&client, http.token(), http.proxy.as_deref())?.send().await?,
            };
            let status = response.status().as_u16();
            let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            let retry_after = header.and_then(|text| text.parse().ok());
            let body = response.bytes().await?.to_vec();
            Ok(Answer { status, retry_after, body })
        })
    })
}

/// What an answer of `address` means.
fn judge(answer: &Answer, address: &str) -> Result<Value, CallError> {
    let Answer { status, retry_after, body } = answer;
    let parsed = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice::<Value>(body) };
    match status {
        200..=299 => parsed.map_err(|_| CallError::later("Discord's answer could not be read")),
        429 => {
            let said = parsed.ok().and_then(|body| body["retry_after"].as_f64()).or(*retry_after);
            let after = said.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Err(CallError::Later { reason: "Discord asks for fewer calls".to_owned(), after })
        }
        408 | 500.. => {
            let after = retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Err(CallError::Later { reason: format!("Discord answers with status {status}"), after })
        }
        // Discord itself gives a code with every refusal.
        404 | 405 if !parsed.as_ref().is_ok_and(|body| body["code"].is_number()) => {
            Err(CallError::Elsewhere { status: *status, address: wire::origin(address) })
        }
        _ => {
            let body = parsed.unwrap_or_default();
            let mut message = body["message"].as_str().unwrap_or("no reason given").to_owned();
            let mut places = Vec::new();
            faults(&body["errors"], "", &mut places);
            if !places.is_empty() {
                message = format!("{message} ({})", places.join(", "));
            }
            Err(CallError::Refused { status: *status, code: body["code"].as_i64().unwrap_or(0), message })
        }
    }
}

/// Where a form is wrong and Discord's word for it; not its sentence, which may quote the text.
fn faults(errors: &Value, path: &str, out: &mut Vec<String>) {
    for (key, inner) in errors.as_object().into_iter().flatten() {
        if key == "_errors" {
            let words = inner.as_array().into_iter().flatten().filter_map(|error| error["code"].as_str());
            out.extend(words.map(|word| format!("{path}: {word}")));
        } else {
            faults(inner, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, out);
        }
    }
}

/// An id as Discord's types want it.
///
/// # Errors
/// [`CallError::Refused`] when the text is no such id.
pub fn id<T: From<NonZeroU64>>(text: &str) -> Result<T, CallError> {
    text.parse::<NonZeroU64>().map(T::from).map_err(|_| CallError::refused("not an id of Discord"))
}

/// The number of an object's id; it grows with time. 0 when there is none.
pub fn snowflake(object: &Value) -> u64 {
    object["id"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<f64>, body: &str) -> Answer {
        Answer { status, retry_after, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn answers_are_judged() {
        #[track_caller]
        fn check(answer: &Answer, expected: &str) {
            let judged = match judge(answer, "http://127.0.0.1:9/x") {
                Ok(value) => value.to_string(),
                Err(CallError::Later { after, .. }) => format!("later {after:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(judged, expected);
        }
        check(&answer(204, None, ""), "null");
        check(&answer(200, None, "{\"id\":\"1\"}"), "{\"id\":\"1\"}");
        check(&answer(200, None, "{\"id\":"), "later None");
        check(&answer(429, Some(2.0), "{\"retry_after\":1.5}"), "later Some(1.5s)");
        check(&answer(429, Some(2.0), "slow down"), "later Some(2s)");
        check(&answer(502, None, "<html>"), "later None");
        check(
            &answer(404, None, "{\"code\":10003,\"message\":\"Unknown Channel\"}"),
            "status 404, code 10003: Unknown Channel",
        );
        let elsewhere = "http://127.0.0.1:9 answers with status 404 and is not Discord: is discord.api_url right? \
                         Discord's own is https://discord.com";
        check(&answer(404, None, "<html>"), elsewhere);
        check(&answer(403, None, "{\"code\":50013,\"message\":\"No\"}"), "status 403, code 50013: No");
        check(
            &answer(
                400,
                None,
                r#"{"code":50035,"message":"Invalid","errors":{"a":{"0":{"_errors":[{"code":"BAD"}]}}}}"#,
            ),
            "status 400, code 50035: Invalid (a.0: BAD)",
        );
    }

    #[test]
    fn refusals_say_what_to_do() {
        #[track_caller]
        fn check(status: u16, code: i64, expected: &str) {
            let error = CallError::Refused { status, code, message: "no".to_owned() };
            let PostError::Never(text) = PostError::from(error) else { panic!("not final") };
            assert!(text.contains(expected), "{text}");
        }
        check(401, 0, "STATIONMASTER_DISCORD_TOKEN");
        check(403, code::MISSING_PERMISSIONS, "Send Messages");
        check(403, code::CANNOT_MESSAGE_USER, "direct messages");
        check(401, code::INVALID_WEBHOOK_TOKEN, "code 50027: no");
    }
}
