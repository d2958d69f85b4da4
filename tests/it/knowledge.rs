//! Documents in: folders, repositories, sites, and what is wrong with them.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use stationmaster::{
    ops::sync::{self, SyncReport},
    store,
};

use crate::support::{Files, TestStore, World, on_both};

async fn sync_source(world: &World, source: &str) -> anyhow::Result<SyncReport> {
    let platform = world.core.config.platform("harbor").unwrap().clone();
    let source = platform.source(source).unwrap().clone();
    let report = sync::sync_source(&world.core, &platform, &source, &|_| {}).await?;
    sync::refresh(&world.core, &platform, &|_, _| {}).await?;
    Ok(report)
}

#[tokio::test]
async fn a_sync_takes_only_what_changed() {
    on_both(Files::harbor, |world| async move {
        let report = sync_source(&world, "handbook").await.unwrap();
        assert_eq!((report.changed, report.unchanged, report.gone), (0, 6, 0));
        world.files.write("platforms/harbor/kb/quotas.md", "# Quotas\n\nA namespace may use 500 zebra units.\n");
        world.files.write("platforms/harbor/kb/new/zones.md", "# Zones\n\nThere are three zones.\n");
        world.files.remove("platforms/harbor/kb/certificates.md");
        let report = sync_source(&world, "handbook").await.unwrap();
        assert_eq!((report.changed, report.unchanged, report.gone), (2, 4, 1));
        let asked = world.say("dev", "ask-harbor", "how many zebra units may a namespace use?").await;
        assert_eq!(world.citations(asked).await[0].path, "quotas.md");
        let asked = world.say("dev", "ask-harbor", "when are certificates of harbor.example hosts renewed?").await;
        assert!(world.citations(asked).await.iter().all(|citation| citation.path != "certificates.md"));
        world
    })
    .await;
}

#[tokio::test]
async fn broken_pages_are_reported_and_passed_over() {
    on_both(Files::harbor, |world| async move {
        let kb = "platforms/harbor/kb";
        world.files.write(&format!("{kb}/binary.md"), [0_u8, 159, 146, 150]);
        world.files.write(&format!("{kb}/latin.md"), [b'#', b' ', 0xe9, 0xe8]);
        world.files.write(&format!("{kb}/huge.md"), "word ".repeat(40_000));
        world.files.write(&format!("{kb}/matter.md"), "---\ntitle: [broken\n---\n# Matter\n\nText about llamas.\n");
        world.files.write(&format!("{kb}/draft.md"), "---\ndraft: true\n---\n# Secret plans\n");
        world.files.write(&format!("{kb}/empty.md"), "");
        world.files.write(
            &format!("{kb}/template.html.md.erb"),
            "# <%= current_page.data.title %>\n\n<%= partial 'x' %>\nWombats {{ site.x }} sleep.\n",
        );
        std::os::unix::fs::symlink(world.files.path(kb), world.files.path(&format!("{kb}/loop"))).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", world.files.path(&format!("{kb}/outside.md"))).unwrap();
        let report = sync_source(&world, "handbook").await.unwrap();
        let problem = |path: &str| {
            report.problems.iter().find(|(known, _)| known == path).map_or("none", |(_, problem)| problem.as_str())
        };
        assert_eq!(problem("binary.md"), "is binary, not text");
        assert_eq!(problem("latin.md"), "is not UTF-8 text");
        assert!(problem("huge.md").contains("max_page_bytes"), "{}", problem("huge.md"));
        assert!(problem("matter.md").contains("front matter"), "{}", problem("matter.md"));
        assert_eq!(problem("draft.md"), "is a draft");
        assert!(problem("loop").contains("folder above"), "{:?}", report.problems);
        assert!(problem("outside.md").contains("leaves the folder"), "{:?}", report.problems);
        let asked = world.say("dev", "dm:dev", "do wombats sleep?").await;
        assert_eq!(world.citations(asked).await[0].path, "template.html.md.erb");
        world
    })
    .await;
}

#[tokio::test]
async fn mkdocs_navigation_names_pages_and_shapes_links() {
    let files = Files::harbor();
    files.write("platforms/harbor/kb/mkdocs.yml", "site_name: X\nnav:\n  - Home: index.md\n  - Guides:\n      - The long way: guides/long.md\nmarkdown_extensions:\n  - x: !!python/name:y.z\n");
    files.write("platforms/harbor/kb/docs/index.md", "Welcome to the ostrich farm.\n");
    files.write("platforms/harbor/kb/docs/guides/long.md", "Ostriches walk the long way round.\n");
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let asked = world.say("dev", "dm:dev", "which way do ostriches walk?").await;
    let citation = world.citations(asked).await.remove(0);
    assert_eq!(
        (citation.title.as_str(), citation.url.as_str()),
        ("The long way", "https://docs.harbor.example/guides/long/")
    );
    world.finish().await;
}

fn git(folder: &std::path::Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .status()
        .expect("git is installed");
    assert!(status.success(), "git {arguments:?}");
}

#[tokio::test]
async fn a_repository_is_pulled_and_survives_its_loss() {
    let files = Files::harbor();
    let origin = files.path("origin");
    files.write("origin/docs/pelicans.md", "# Pelicans\n\nPelicans eat 2 kg of fish a day.\n");
    git(&origin, &["init", "--quiet"]);
    git(&origin, &["add", "."]);
    git(&origin, &["commit", "--quiet", "-m", "first"]);
    let platform = std::fs::read_to_string(files.path("platforms/harbor/platform.yaml")).unwrap();
    let source = format!(
        "  - id: birds\n    git:\n      url: file://{}\n      branch: main\n      path: docs\n",
        origin.display()
    );
    files.write("platforms/harbor/platform.yaml", platform + &source);
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let report = sync_source(&world, "birds").await.unwrap();
    assert_eq!((report.changed, report.unchanged), (0, 1));
    world.files.write("origin/docs/pelicans.md", "# Pelicans\n\nPelicans eat 3 kg of fish a day.\n");
    git(&origin, &["commit", "--quiet", "-am", "second"]);
    assert_eq!(sync_source(&world, "birds").await.unwrap().changed, 1);
    std::fs::remove_dir_all(&origin).unwrap();
    let error = sync_source(&world, "birds").await.unwrap_err();
    assert!(format!("{error:#}").contains("git fetch"), "{error:#}");
    let asked = world.say("dev", "dm:dev", "how much fish do pelicans eat a day?").await;
    assert!(world.reply_to(asked).await.text.contains("3 kg"));
    let mut tx = world.core.db.read().await.unwrap();
    let state = store::knowledge::source_state(&mut tx, "harbor", "birds").await.unwrap();
    assert!(state.failed_at.is_some() && state.synced_at.is_some());
    drop(tx);
    world.finish().await;
}

#[derive(Default)]
struct Site {
    /// Full pages sent.
    sent: AtomicUsize,
    down: AtomicBool,
    with_sitemap: bool,
}

fn html(State(site): State<Arc<Site>>, headers: &HeaderMap, body: &'static str) -> axum::response::Response {
    if site.down.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let tag = format!("\"{}\"", body.len());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == tag.as_str()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    site.sent.fetch_add(1, Ordering::SeqCst);
    ([(header::CONTENT_TYPE, "text/html".to_owned()), (header::ETAG, tag)], body).into_response()
}

async fn serve_site(with_sitemap: bool) -> (String, Arc<Site>) {
    const INDEX: &str = "<title>Zoo</title><main><h1>Zoo</h1><p>All about the animals of the zoo.</p>\
        <a href='lions'>lions</a> <a href='/docs/tigers#x'>tigers</a> <a href='/outside'>o</a> <a href='private/x'>p</a></main>";
    const LIONS: &str = "<title>Lions</title><nav>menu menu menu</nav><main><h1>Lions</h1><h2>Food</h2>\
        <p>Lions are fed 7 kg of meat each evening.</p><a href='/docs/'>back</a><a href='lions?page=2'>more</a></main>";
    const TIGERS: &str =
        "<title>Tigers</title><main><h1>Tigers</h1><p>Tigers sleep 16 hours a day.</p><a href='lions'>l</a></main>";
    let site = Arc::new(Site { with_sitemap, ..Site::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let map = format!("<urlset><url><loc>{address}/docs/lions</loc></url></urlset>");
    let router = Router::new()
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /docs/private/\n" }))
        .route(
            "/docs/sitemap.xml",
            get(move |State(site): State<Arc<Site>>| async move {
                if site.with_sitemap { map.into_response() } else { StatusCode::NOT_FOUND.into_response() }
            }),
        )
        .route("/docs/", get(async |state, headers: HeaderMap| html(state, &headers, INDEX)))
        .route("/docs/lions", get(async |state, headers: HeaderMap| html(state, &headers, LIONS)))
        .route("/docs/tigers", get(async |state, headers: HeaderMap| html(state, &headers, TIGERS)))
        .route(
            "/docs/private/x",
            get(async |state, headers: HeaderMap| html(state, &headers, "<main>never read this page please</main>")),
        )
        .route(
            "/outside",
            get(async |state, headers: HeaderMap| html(state, &headers, "<main>never read this page please</main>")),
        )
        .with_state(Arc::clone(&site));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, site)
}

async fn world_with_site(address: &str) -> World {
    let files = Files::harbor();
    let platform = std::fs::read_to_string(files.path("platforms/harbor/platform.yaml")).unwrap();
    files.write(
        "platforms/harbor/platform.yaml",
        format!("{platform}  - id: zoo\n    site:\n      start: {address}/docs/\n"),
    );
    let store = TestStore::sqlite(files.folder.path());
    World::open(files, &store.url).await
}

#[tokio::test]
async fn a_site_is_crawled_inside_its_prefix_and_asked_for_changes_only() {
    let (address, site) = serve_site(false).await;
    let world = world_with_site(&address).await;
    assert_eq!(site.sent.load(Ordering::SeqCst), 3, "index, lions, tigers; cycles, queries, robots and prefix kept");
    let asked = world.say("dev", "dm:dev", "how much meat are lions fed?").await;
    let citation = world.citations(asked).await.remove(0);
    assert_eq!((citation.title.as_str(), citation.url), ("Lions", format!("{address}/docs/lions#food")));
    let report = sync_source(&world, "zoo").await.unwrap();
    assert_eq!((report.changed, report.unchanged, report.gone), (0, 3, 0));
    assert_eq!(site.sent.load(Ordering::SeqCst), 3, "nothing was sent twice");
    site.down.store(true, Ordering::SeqCst);
    assert!(sync_source(&world, "zoo").await.is_err());
    let asked = world.say("dev", "dm:dev", "how many hours do tigers sleep?").await;
    assert!(world.reply_to(asked).await.text.contains("16 hours"));
    world.finish().await;
}

#[tokio::test]
async fn a_sitemap_names_the_pages() {
    let (address, site) = serve_site(true).await;
    let world = world_with_site(&address).await;
    assert_eq!(site.sent.load(Ordering::SeqCst), 1);
    world.finish().await;
}

#[tokio::test]
async fn vectors_are_computed_once() {
    let files = Files::harbor();
    let store = TestStore::sqlite(files.folder.path());
    let world = World::open(files, &store.url).await;
    let platform = world.core.config.platform("harbor").unwrap().clone();
    let passages = sync::stored_passages(&world.core, &platform).await.unwrap();
    assert!(passages.len() >= 8);
    assert_eq!(world.core.knowledge.embed(&passages, &|_, _| {}).await.unwrap(), 0);
    let before = world.core.knowledge.index("harbor").unwrap().version().to_owned();
    sync::refresh(&world.core, &platform, &|_, _| {}).await.unwrap();
    assert_eq!(world.core.knowledge.index("harbor").unwrap().version(), before);
    world.finish().await;
}
