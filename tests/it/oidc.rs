//! Logging in to the review site with the company's account, against a provider that does as it is told.

use std::{
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Response, header};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use stationmaster::{
    clock::{Clock as _, SharedClock, SystemClock},
    config::{Diagnostics, Server},
    outside::{http::Http, oidc::Provider},
    store,
};
use url::{Url, form_urlencoded};

use crate::{
    outside::{Fake, Reply, Seen},
    review::Browser,
    support::{Files, START, TestStore, World, root},
    web::Served,
};

const SECRET: &str = "a secret: of the provider's making";

/// A key of the provider.
enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Key {
    fn rsa() -> Self {
        let pem = fs::read_to_string(root().join("tests/fixtures/oidc/rsa.pem")).unwrap();
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        Self::Rsa(RsaKeyPair::from_pkcs8(&STANDARD.decode(lines).unwrap()).unwrap())
    }

    fn ec() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap())
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
        }
    }

    /// As it is announced.
    fn public(&self, name: &str) -> Json {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(key) => {
                let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "use": "sig", "kid": name, "n": text(&parts.n), "e": text(&parts.e)})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": name, "alg": "ES256", "x": text(x), "y": text(y)})
            }
        }
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, text.as_bytes()).unwrap().as_ref().to_vec(),
        }
    }
}

/// What the provider does.
struct Plan {
    issuer: String,
    key: Key,
    key_name: String,
    announced: Vec<Json>,
    /// What it says in a token about whoever logs in.
    claims: Json,
    user_info: Json,
    /// A code that was given out, with the challenge of its login.
    code: Option<(String, String)>,
    is_down: bool,
}

/// The provider, and the installation that trusts it.
struct Company {
    fake: Arc<Fake>,
    plan: Arc<Mutex<Plan>>,
    served: Served,
}

/// A browser at the provider: what it brought along.
struct Visit {
    browser: Browser,
    query: Vec<(String, String)>,
}

impl Visit {
    fn asked(&self, name: &str) -> &str {
        self.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

fn answer(plan: &mut Plan, seen: &Seen) -> Reply {
    if plan.is_down {
        return Reply::Json(503, json!({}));
    }
    let issuer = plan.issuer.clone();
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/acme/.well-known/openid-configuration") => Reply::Json(
            200,
            json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize?tenant=acme"),
                "token_endpoint": format!("{issuer}/token/"),
                "jwks_uri": format!("{issuer}/keys/"),
                "userinfo_endpoint": format!("{issuer}/me"),
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "code_challenge_methods_supported": ["S256"],
            }),
        ),
        ("GET", "/acme/keys/") => Reply::Json(200, json!({ "keys": plan.announced })),
        ("POST", "/acme/token/") => exchange(plan, seen),
        ("GET", "/acme/me") if seen.header("authorization") == "Bearer access" => {
            Reply::Json(200, plan.user_info.clone())
        }
        _ => Reply::Json(404, json!({})),
    }
}

fn exchange(plan: &mut Plan, seen: &Seen) -> Reply {
    let form: Vec<(String, String)> = form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
    let sent = |name: &str| form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let encoded: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("desk:{encoded}")));
    if seen.header("authorization") != basic {
        return Reply::Json(401, json!({"error": "invalid_client"}));
    }
    let Some((code, challenge)) = plan.code.take_if(|known| known.0 == sent("code")) else {
        return Reply::Json(400, json!({"error": "invalid_grant"}));
    };
    let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(sent("code_verifier")));
    let whole = sent("grant_type") == "authorization_code" && sent("redirect_uri").ends_with("/review/oidc/callback");
    if verifier != challenge || !whole || code.is_empty() {
        return Reply::Json(400, json!({"error": "invalid_grant"}));
    }
    let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
    let header = json!({"alg": plan.key.algorithm(), "kid": plan.key_name});
    let body = format!("{}.{}", encode(&header), encode(&plan.claims));
    let token = format!("{body}.{}", URL_SAFE_NO_PAD.encode(plan.key.sign(&body)));
    Reply::Json(200, json!({"access_token": "access", "token_type": "Bearer", "id_token": token}))
}

impl Company {
    /// Olga and Dot have addresses in the files.
    async fn start() -> Self {
        Self::with("").await
    }

    /// `keys` are added to the section.
    async fn with(keys: &str) -> Self {
        let key = Key::rsa();
        let plan = Plan {
            issuer: String::new(),
            announced: vec![key.public("first"), json!({"kty": "OKP", "crv": "Ed448", "x": "AA"})],
            key,
            key_name: "first".to_owned(),
            claims: json!({}),
            user_info: json!({"sub": "7"}),
            code: None,
            is_down: false,
        };
        let plan = Arc::new(Mutex::new(plan));
        let own = Arc::clone(&plan);
        let fake = Fake::start(move |seen, _| answer(&mut own.lock().unwrap(), seen)).await;
        let issuer = format!("{}/acme", fake.address);
        plan.lock().unwrap().issuer.clone_from(&issuer);
        let mut files = Files::harbor();
        let path = files.path("platforms/harbor/platform.yaml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("name: Olga Owner", "name: Olga Owner\n    email: olga@acme.example")).unwrap();
        files.more = format!(
            "[oidc]\nissuer = {issuer:?}\nclient_id = \"desk\"\nclient_secret = {SECRET:?}\nbutton = \"Acme & sons\"\n{keys}\n\
             [outside]\ntimeout_seconds = 5\n"
        );
        let store = TestStore::sqlite(files.folder.path());
        let served = Served::over(World::cold(files, &store.url).await).await;
        Self { fake, plan, served }
    }

    fn plan(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.plan.lock().unwrap());
    }

    fn key_fetches(&self) -> usize {
        self.fake.count("GET", "/acme/keys/")
    }

    /// Somebody goes to the provider to log in. Nobody is kept out for doing so too often.
    async fn depart(&self, next: &str) -> Visit {
        let mut browser = Browser::new(&self.served);
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        let sent = browser.get(&format!("/review/oidc/start?next={next}")).await;
        assert_eq!(sent.status(), 303);
        let address: Url = sent.headers()[header::LOCATION].to_str().unwrap().parse().unwrap();
        assert!(
            address.as_str().starts_with(&format!("{}/acme/authorize?tenant=acme&", self.fake.address)),
            "{address}"
        );
        cookies(&sent)[0].split(';').next().unwrap().clone_into(&mut browser.cookie);
        Visit { browser, query: address.query_pairs().into_owned().collect() }
    }

    /// The provider lets `address` in, and leads back. `changes` are made to the token's claims.
    async fn let_in(&self, visit: &Visit, address: &str, changes: &Json) -> Response {
        let now = self.served.world.clock.now().micros() / 1_000_000;
        let mut claims = json!({
            "iss": format!("{}/acme", self.fake.address), "sub": "7", "aud": "desk", "iat": now, "exp": now + 300,
            "nonce": visit.asked("nonce"), "email": address, "email_verified": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.plan(|plan| {
            plan.claims = claims;
            plan.code = Some(("a-code".to_owned(), visit.asked("code_challenge").to_owned()));
        });
        self.come_back(visit, &[("state", visit.asked("state")), ("code", "a-code")]).await
    }

    async fn come_back(&self, visit: &Visit, query: &[(&str, &str)]) -> Response {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        visit.browser.get(&format!("/review/oidc/callback?{query}")).await
    }

    async fn log_in(&self, address: &str, changes: &Json) -> Response {
        let visit = self.depart("/review/mine").await;
        self.let_in(&visit, address, changes).await
    }

    fn pass(&self, time: Duration) {
        self.served.world.clock.advance(time);
    }

    async fn end(self) {
        self.served.end().await;
    }
}

fn cookies(response: &Response) -> Vec<String> {
    response.headers().get_all(header::SET_COOKIE).iter().map(|it| it.to_str().unwrap().to_owned()).collect()
}

/// The session's cookie, if one was given.
fn session(response: &Response) -> Option<String> {
    let cookie = cookies(response).into_iter().find(|cookie| cookie.starts_with("stationmaster="))?;
    cookie.split(';').next().map(str::to_owned)
}

#[track_caller]
fn must_be_in(response: &Response, path: &str) {
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    assert_eq!((response.status().as_u16(), location), (303, Some(path)));
    assert!(session(response).is_some());
    assert!(cookies(response).iter().any(|it| it.starts_with("stationmaster_login=;") && it.contains("Max-Age=0")));
}

/// Nobody was logged in, the attempt is over, and the page says why without showing what only the browser may know.
async fn must_be_out(response: Response, status: u16, words: &str) {
    assert_eq!(response.status().as_u16(), status, "{words}");
    assert_eq!(session(&response), None, "{words}");
    assert!(cookies(&response).iter().any(|it| it.starts_with("stationmaster_login=;")), "{words}");
    let page = response.text().await.unwrap();
    assert!(page.contains(words) && !page.contains("a-code"), "{words}: {page}");
}

#[tokio::test]
async fn the_companys_account_opens_the_site() {
    let company = Company::start().await;
    let mut browser = Browser::new(&company.served);
    let page = browser.page("/review/login?next=%2Freview%2Fp%2Fharbor%2Ffeedback").await;
    assert!(page.contains("href=\"/review/oidc/start?next=%2Freview%2Fp%2Fharbor%2Ffeedback\""), "{page}");
    assert!(page.contains("Acme &#38; sons") && page.contains("<code class=\"big\">"), "{page}");

    let visit = company.depart("/review/p/harbor/feedback").await;
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "desk"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", "http://127.0.0.1:7878/review/oidc/callback"),
    ] {
        assert_eq!(visit.asked(name), expected, "{name}");
    }
    let back = company.let_in(&visit, "Olga@Acme.Example", &json!({})).await;
    must_be_in(&back, "/review/p/harbor/feedback");
    browser.cookie = session(&back).unwrap();
    assert!(browser.page("/review/p/harbor/feedback").await.contains("Olga Owner"));
    // One look at what the provider announces serves many.
    let next = company.log_in("dot@harbor.example", &json!({"aud": ["desk", "api"], "azp": "desk"})).await;
    must_be_in(&next, "/review/mine");
    assert_eq!((company.fake.count("GET", "/acme/.well-known/openid-configuration"), company.key_fetches()), (1, 1));
    company.end().await;
}

#[tokio::test]
async fn the_attempts_cookie_is_for_the_browser_alone() {
    let company = Company::start().await;
    let sent = Browser::new(&company.served).get("/review/oidc/start").await;
    let cookie = cookies(&sent).remove(0);
    for part in ["stationmaster_login=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let mut stopped = false;
    for _ in 0..20 {
        stopped |= Browser::new(&company.served).get("/review/oidc/start").await.status() == 429;
    }
    assert!(stopped, "nobody may begin as often as they like");
    company.end().await;
}

#[tokio::test]
async fn a_token_that_is_not_ours_opens_nothing() {
    const REJECTED: &str = "gave an answer that cannot be accepted";
    let company = Company::start().await;
    let late = START.micros() / 1_000_000 - 61;
    for (changes, status, words) in [
        (json!({"nonce": "another"}), 502, REJECTED),
        (json!({"exp": late}), 502, REJECTED),
        (json!({"aud": "another"}), 502, REJECTED),
        (json!({"aud": ["desk", "another"]}), 502, REJECTED),
        (json!({"iss": "https://login.evil.example"}), 502, REJECTED),
        (json!({"email_verified": false}), 403, "is not verified"),
        (json!({"email_verified": null}), 403, "is not verified"),
        (json!({"email": "eve@<b>evil</b>.example"}), 403, "eve@&#60;b&#62;evil"),
        (json!({"email": "eve@acme.example"}), 403, "Ask an owner of your platform"),
        (json!({"email": ""}), 403, "shows no e-mail address"),
    ] {
        let back = company.log_in("olga@acme.example", &changes).await;
        must_be_out(back, status, words).await;
        // Attempts are counted.
        company.pass(Duration::from_mins(1));
    }
    // Somebody else's key under the name of ours.
    company.plan(|plan| {
        plan.announced = vec![Key::ec().public("first")];
        plan.key = Key::ec();
    });
    company.pass(Duration::from_hours(2));
    must_be_out(company.log_in("olga@acme.example", &json!({})).await, 502, REJECTED).await;
    company.end().await;
}

#[tokio::test]
async fn an_answer_belongs_to_one_attempt_of_one_browser() {
    const LOST: &str = "began in another browser";
    let company = Company::start().await;
    // Another state.
    let (visit, other) = (company.depart("").await, company.depart("").await);
    let back = company.come_back(&visit, &[("state", other.asked("state")), ("code", "a-code")]).await;
    must_be_out(back, 410, LOST).await;
    // A browser that began nothing: somebody was sent a link to log in as another person.
    let mut victim = company.depart("").await;
    victim.browser.cookie.clear();
    must_be_out(company.let_in(&victim, "olga@acme.example", &json!({})).await, 410, LOST).await;
    assert_eq!(company.fake.count("POST", "/acme/token/"), 0, "no code goes to the provider");
    // Too late.
    let visit = company.depart("").await;
    company.pass(Duration::from_mins(10));
    must_be_out(company.let_in(&visit, "olga@acme.example", &json!({})).await, 410, LOST).await;
    // A code works once, even for a browser that keeps its cookie.
    let visit = company.depart("").await;
    must_be_in(&company.let_in(&visit, "olga@acme.example", &json!({})).await, "/review");
    let again = [("state", visit.asked("state")), ("code", "a-code")];
    must_be_out(company.come_back(&visit, &again).await, 502, "cannot be accepted").await;
    // The provider says no; and somebody else says anything.
    let visit = company.depart("").await;
    let denied = [("state", visit.asked("state")), ("error", "access_denied"), ("error_description", "<b>no</b>")];
    let said = company.come_back(&visit, &denied).await;
    must_be_out(said, 403, "did not let you in").await;
    let foreign = [("state", visit.asked("state")), ("code", "a-code"), ("iss", "https://login.evil.example")];
    must_be_out(company.come_back(&visit, &foreign).await, 502, "cannot be accepted").await;
    must_be_out(company.come_back(&visit, &[("error", "access_denied")]).await, 410, LOST).await;
    company.end().await;
}

#[tokio::test]
async fn a_login_leads_nowhere_else() {
    let company = Company::start().await;
    for next in
        ["https://evil.example/review/", "//evil.example", "/review/..//evil.example", "/review\\evil", "/console"]
    {
        let visit = company.depart(next).await;
        must_be_in(&company.let_in(&visit, "olga@acme.example", &json!({})).await, "/review");
        company.pass(Duration::from_mins(1));
    }
    company.end().await;
}

#[tokio::test]
async fn changed_keys_are_asked_for_once() {
    let company = Company::start().await;
    must_be_in(&company.log_in("olga@acme.example", &json!({})).await, "/review/mine");
    assert_eq!(company.key_fetches(), 1);
    company.plan(|plan| {
        plan.key = Key::ec();
        plan.key_name = "second".to_owned();
        plan.announced.push(plan.key.public("second"));
    });
    let soon = company.log_in("olga@acme.example", &json!({})).await;
    must_be_out(soon, 502, "cannot be accepted").await;
    assert_eq!(company.key_fetches(), 1, "they were asked for a moment ago");
    company.pass(Duration::from_mins(1));
    must_be_in(&company.log_in("olga@acme.example", &json!({})).await, "/review/mine");
    assert_eq!(company.key_fetches(), 2);
    // A name that is never announced costs one question a minute, not one each time.
    company.plan(|plan| plan.key_name = "third".to_owned());
    company.pass(Duration::from_mins(1));
    for _ in 0..4 {
        let back = company.log_in("olga@acme.example", &json!({})).await;
        must_be_out(back, 502, "cannot be accepted").await;
    }
    assert_eq!(company.key_fetches(), 3);
    company.end().await;
}

#[tokio::test]
async fn a_provider_that_is_away_is_said_to_be() {
    const AWAY: &str = "cannot be used right now";
    let company = Company::start().await;
    company.plan(|plan| plan.is_down = true);
    let sent = Browser::new(&company.served).get("/review/oidc/start").await;
    assert_eq!(sent.status(), 503);
    assert!(sent.text().await.unwrap().contains(AWAY));
    company.plan(|plan| plan.is_down = false);
    let visit = company.depart("").await;
    company.plan(|plan| plan.is_down = true);
    must_be_out(company.let_in(&visit, "olga@acme.example", &json!({})).await, 503, AWAY).await;
    company.plan(|plan| plan.is_down = false);
    must_be_in(&company.log_in("olga@acme.example", &json!({})).await, "/review/mine");
    company.end().await;
}

#[tokio::test]
async fn an_address_may_stand_with_the_account_alone() {
    let company = Company::start().await;
    let nothing = json!({"email": null, "email_verified": null});
    let me = json!({"sub": "7", "email": "olga@acme.example", "email_verified": true});
    company.plan(|plan| plan.user_info = me.clone());
    must_be_in(&company.log_in("", &nothing).await, "/review/mine");
    company.plan(|plan| plan.user_info["sub"] = json!("8"));
    must_be_out(company.log_in("", &nothing).await, 502, "cannot be accepted").await;
    company.end().await;
}

#[tokio::test]
async fn providers_that_verify_everybody_need_not_say_so() {
    let company = Company::with("email_verified = \"unless_denied\"\nemail_claim = \"upn\"").await;
    let unsaid = json!({"upn": "olga@acme.example", "email": null, "email_verified": null});
    must_be_in(&company.log_in("", &unsaid).await, "/review/mine");
    let denied = json!({"upn": "olga@acme.example", "email_verified": false});
    must_be_out(company.log_in("", &denied).await, 403, "is not verified").await;
    company.end().await;
}

#[tokio::test]
async fn a_chat_account_with_the_address_is_somebody_too() {
    let company = Company::start().await;
    let core = &company.served.world.core;
    let meet = async |chat: &str, id: &str, name: &str| {
        let mut tx = core.db.write().await.unwrap();
        let (now, email) = (core.clock.now(), Some("Nia@Acme.example"));
        store::people::remember(&mut tx, chat, id, name, now).await.unwrap();
        store::people::looked_up(&mut tx, chat, id, name, email, now).await.unwrap();
        core.db.commit(tx).await.unwrap();
    };
    meet("slack", "U0NIA", "Nia Newcomer").await;
    let back = company.log_in("nia@acme.example", &json!({})).await;
    must_be_in(&back, "/review/mine");
    let mut nia = Browser::new(&company.served);
    nia.cookie = session(&back).unwrap();
    assert!(nia.page("/review/mine").await.contains("Nia Newcomer"));
    // Two accounts that nobody linked may be two people.
    meet("discord", "77", "nia").await;
    must_be_out(company.log_in("nia@acme.example", &json!({})).await, 403, "Several chat accounts").await;
    let mut tx = core.db.write().await.unwrap();
    store::people::link(&mut tx, ("discord", "77"), ("slack", "U0NIA"), "code", core.clock.now()).await.unwrap();
    core.db.commit(tx).await.unwrap();
    must_be_in(&company.log_in("nia@acme.example", &json!({})).await, "/review/mine");
    company.end().await;
}

#[tokio::test]
async fn the_check_says_what_is_wrong_with_the_provider() {
    let company = Company::start().await;
    let probe = async |issuer: String| {
        let environment =
            [("OIDC_ISSUER", issuer.as_str()), ("OIDC_CLIENT_ID", "desk"), ("OIDC_CLIENT_SECRET", SECRET)]
                .map(|(name, value)| (format!("STATIONMASTER_{name}"), value.to_owned()));
        let server = Server::load_from(None, &environment, &mut Diagnostics::default()).unwrap();
        let http = Http::new(&server.outside, &server.network, Arc::new(SystemClock) as SharedClock).unwrap();
        let provider = Provider::new(&server.oidc, &server.public_url(), &http).unwrap();
        provider.probe().await.map_err(|error| error.to_string())
    };
    let issuer = format!("{}/acme", company.fake.address);
    let fine = probe(issuer.clone()).await.unwrap();
    assert!(
        fine.contains("keys that can be used: 1; to be registered there: http://127.0.0.1:7878/review/oidc/callback"),
        "{fine}"
    );
    let slash = probe(format!("{issuer}/")).await.unwrap_err();
    assert!(slash.contains(&format!("calls itself {issuer}; set oidc.issuer to exactly that")), "{slash}");
    let elsewhere = probe(company.fake.address.clone()).await.unwrap_err();
    assert!(elsewhere.contains("the login service refused: 404"), "{elsewhere}");
    company.plan(|plan| plan.announced.clear());
    let no_key = probe(issuer).await.unwrap_err();
    assert!(no_key.contains("announces no key for RS256 or ES256"), "{no_key}");
    company.end().await;
}

#[tokio::test]
async fn without_a_provider_there_is_no_button() {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let served = Served::over(World::cold(files, &store.url).await).await;
    let browser = Browser::new(&served);
    assert!(!browser.page("/review/login").await.contains("/review/oidc/"));
    assert_eq!(browser.get("/review/oidc/start").await.status(), 404);
    assert_eq!(browser.get("/review/oidc/callback?code=a-code").await.status(), 404);
    served.end().await;
}
