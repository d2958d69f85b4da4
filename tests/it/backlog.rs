//! From what people ask and say to gaps, themes, decisions and replies, and back into answers.

use std::time::Duration;

use stationmaster::{
    chat::{Command, Form, WayBack},
    clock::Timestamp,
    console,
    domain::{
        answer::Mode,
        feedback::Status,
        gap::GapState,
        ids::{MessageId, ThemeId},
        people::Person,
        theme::{ItemKind, Weights},
    },
    ops::{
        command,
        insight::{
            curate::{self, Publication},
            decide, drafting, export, gaps, gather, ranking, themes,
        },
        work,
    },
    store::{self, feedback::Feedback, gaps::Gap, themes::Theme},
};

use crate::support::{Files, World, on_both};

/// Harbor with a second team that uses it.
pub fn harbor() -> Files {
    let files = Files::harbor_with_routes();
    let path = files.path("platforms/harbor/platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let pam = "people:\n  - id: pam\n    name: Pam Pay\n    teams: [payments]\n    roles: [member]\n";
    std::fs::write(&path, text.replacen("people:\n", pam, 1)).unwrap();
    files
}

fn person(world: &World, id: &str) -> Person {
    world.core.config.member(id).expect("the person is in the files")
}

pub async fn gather(world: &World) {
    gather::gather(&world.core, "harbor").await.unwrap();
    world.drain().await;
}

pub async fn gaps_of(world: &World, state: GapState) -> Vec<Gap> {
    let mut tx = world.core.db.read().await.unwrap();
    store::gaps::in_state(&mut tx, "harbor", state, 50).await.unwrap()
}

pub async fn themes_of(world: &World) -> Vec<Theme> {
    let mut tx = world.core.db.read().await.unwrap();
    store::themes::spoken_of(&mut tx, "harbor", 50).await.unwrap()
}

/// Asks, and says that it did not help.
pub async fn in_vain(world: &World, who: &str, channel: &str, text: &str) -> MessageId {
    let text = if channel.starts_with("dm:") { text.to_owned() } else { format!("@stationmaster {text}") };
    let asked = world.say(who, channel, &text).await;
    let reply = world.reply_to(asked).await;
    if crate::support::button(&reply, "Not helpful").is_some() {
        world.press(who, &reply, "Not helpful", &[]).await.unwrap();
    }
    asked
}

async fn form(world: &World, who: &str, text: &str) -> Form {
    let author = console::person(&world.core.config, who).expect("the person is in the files");
    let command = Command {
        delivery_key: world.key(),
        chat: "console".to_owned(),
        channel: "ask-harbor".to_owned(),
        author: stationmaster::chat::Author::known(&author.id, &author.name),
        verb: "feedback".to_owned(),
        text: text.to_owned(),
        direct: false,
        about: None,
        way_back: WayBack { handle: "way back".to_owned(), lifetime: Duration::from_mins(30) },
    };
    command::run(&world.core, &command).await.unwrap().form.unwrap()
}

pub async fn feedback(world: &World, who: &str, text: &str, values: &[(&str, &str)]) -> Feedback {
    let opened = form(world, who, text).await;
    world.send(who, &opened, values).await.unwrap();
    let mut tx = world.core.db.read().await.unwrap();
    store::feedback::newest(&mut tx, "harbor", 50)
        .await
        .unwrap()
        .into_iter()
        .max_by_key(|feedback| feedback.number)
        .unwrap()
}

/// The bot's replies to a piece of feedback that speak of the decision.
async fn told(world: &World, feedback: &Feedback, word: &str) -> Vec<store::messages::Message> {
    let who = feedback.person.clone().unwrap();
    let replies = world.replies(feedback.message.unwrap(), &who).await;
    replies.into_iter().filter(|reply| reply.text.contains(word)).collect()
}

/// Waits until a served world has told whoever gave the feedback of the decision, and looks that it did so once.
pub async fn will_be_told(world: &World, feedback: &Feedback, word: &str) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    loop {
        let told = told(world, feedback, word).await;
        if !told.is_empty() {
            assert_eq!(told.len(), 1, "{}", feedback.text);
            return;
        }
        assert!(std::time::Instant::now() < deadline, "nobody told {:?} of the decision", feedback.person);
        tokio::task::yield_now().await;
    }
}

fn publication(world: &World, markdown: &str) -> Publication {
    Publication {
        title: "Graphics cards".to_owned(),
        markdown: markdown.to_owned(),
        url: Some("https://docs.harbor.example/gpu".to_owned()),
        phrasings: Vec::new(),
        review_by: world.core.clock_now().plus(Duration::from_hours(24 * 90)),
        confirmed: false,
    }
}

trait Now {
    fn clock_now(&self) -> Timestamp;
}

impl Now for stationmaster::ops::Core {
    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }
}

pub const GPU: &str = "how do I get a node with a GPU to train a model?";

#[tokio::test]
async fn a_gap_is_published_and_the_bot_answers_with_it() {
    on_both(harbor, |world| async move {
        let first = in_vain(&world, "dev", "ask-harbor", GPU).await;
        in_vain(&world, "pam", "ask-harbor", "how do I get a GPU node to train our model?").await;
        in_vain(&world, "dot", "dm:dot", "we need a node with a GPU for training a model, how do I get one?").await;
        in_vain(&world, "pam", "ask-harbor", "where can I change the name on my business card?").await;
        gather(&world).await;
        let found = gaps_of(&world, GapState::Open).await;
        assert_eq!(found.len(), 2, "{:?}", found.iter().map(|gap| &gap.title).collect::<Vec<_>>());
        let gap = found.into_iter().find(|gap| gap.title.contains("GPU")).unwrap();
        assert_eq!((gap.questions, gap.teams, gap.minutes), (3, 2, 45));
        assert!(!gap.title.starts_with("we need"), "a direct message names nothing");

        // A request that follows costs minutes too, and its solution is the draft, without names.
        let reply = world.reply_to(first).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        let request = {
            let mut tx = world.core.db.read().await.unwrap();
            store::requests::of_message(&mut tx, first).await.unwrap().remove(0)
        };
        let triage = crate::requests::card(&world, &request, store::requests::ThreadRole::Triage).await;
        let words = "Hi Dev, ask for the queue `gpu`; Sam Support adds you.";
        let done = [("cause", "documentation_gap"), ("text", words)];
        world.fill("sam", &triage, "Resolve", &done).await.unwrap();
        gather(&world).await;
        let gap = gaps_of(&world, GapState::Open).await.into_iter().find(|it| it.id == gap.id).unwrap();
        assert!(gap.minutes > 45, "{}", gap.minutes);
        let draft = {
            let mut tx = world.core.db.read().await.unwrap();
            drafting::draft(&world.core, &mut tx, &gap).await.unwrap()
        };
        assert!(draft.starts_with("ask for the queue `gpu`; (name) adds you."), "{draft}");

        let olga = person(&world, "olga");
        let refused =
            curate::publish(&world.core, &person(&world, "dev"), (gap.number, 1), &publication(&world, "x")).await;
        assert!(refused.unwrap_err().to_string().contains("Only those who look after Harbor"));
        let secret = std::fs::read_to_string(world.files.path("platforms/harbor/runbooks/break-glass.md")).unwrap();
        let quoting = publication(&world, &secret);
        let refused = curate::publish(&world.core, &olga, (gap.number, 1), &quoting).await.unwrap_err();
        assert!(refused.to_string().contains("not everybody may read"), "{refused}");

        let answer = publication(&world, "Ask for the queue **gpu** in the portal.");
        let curated = curate::publish(&world.core, &olga, (gap.number, 1), &answer).await.unwrap();
        let again = curate::publish(&world.core, &olga, (gap.number, 1), &answer).await.unwrap_err();
        assert!(again.to_string().contains("at the same moment"), "{again}");
        assert_eq!(gaps_of(&world, GapState::Answered).await[0].id, gap.id);

        let asked = world.say("dev", "storage-help", "@stationmaster how do I get a GPU node to train a model?").await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("queue **gpu**"), "{}", reply.text);
        assert!(reply.text.contains("Published by Olga Owner on 2026-05-12."), "{}", reply.text);
        assert_eq!(world.answer(asked).await.mode, Mode::Curated);
        assert_eq!(world.citations(asked).await[0].url, "https://docs.harbor.example/gpu");
        let other = world.say("dev", "ask-harbor", "how long are production database backups kept?").await;
        assert_ne!(world.answer(other).await.mode, Mode::Curated);

        let shorter = Publication { phrasings: vec![GPU.to_owned()], ..publication(&world, "Use the queue.") };
        let edited = curate::edit(&world.core, &olga, curated.id, 1, &shorter).await.unwrap();
        let asked = world.say("dev", "dm:dev", GPU).await;
        assert!(world.reply_to(asked).await.text.contains("Use the queue."));
        curate::retire(&world.core, &olga, curated.id, edited.version).await.unwrap();
        let asked = world.say("dev", "dm:dev", GPU).await;
        assert_ne!(world.answer(asked).await.mode, Mode::Curated);
        world
    })
    .await;
}

#[tokio::test]
async fn a_gap_is_renamed_drafted_dismissed_and_exported() {
    on_both(harbor, |world| async move {
        in_vain(&world, "dev", "ask-harbor", GPU).await;
        gather(&world).await;
        let gap = gaps_of(&world, GapState::Open).await.remove(0);
        let sam = person(&world, "sam");
        let gap = gaps::rename(&world.core, &sam, (gap.number, gap.version), "Graphics cards").await.unwrap();
        let gap = gaps::edit_draft(&world.core, &sam, (gap.number, gap.version), "Ask in the portal.").await.unwrap();
        let gap = gaps::dismiss(&world.core, &sam, (gap.number, gap.version), "It is not ours.").await.unwrap();
        assert_eq!(gap.state, GapState::Dismissed);
        let gap = gaps::reopen(&world.core, &sam, (gap.number, gap.version)).await.unwrap();
        let page = export::Page {
            source: "handbook".to_owned(),
            title: gap.title.clone(),
            markdown: gap.draft.clone().unwrap(),
            confirmed: false,
        };
        let (gap, patch) = export::export(&world.core, &sam, (gap.number, gap.version), &page).await.unwrap();
        assert_eq!((gap.state, patch.path.as_str()), (GapState::Exported, "graphics-cards.md"));
        assert!(patch.text.contains("+# Graphics cards\n+\n+Ask in the portal.\n"), "{}", patch.text);
        // More of the same keeps name, draft and state.
        in_vain(&world, "pam", "ask-harbor", "how do I get a GPU node to train our model?").await;
        gather(&world).await;
        let gap = gaps_of(&world, GapState::Exported).await.remove(0);
        assert_eq!((gap.title.as_str(), gap.questions), ("Graphics cards", 2));
        world
    })
    .await;
}

#[tokio::test]
async fn what_is_private_reaches_neither_gaps_nor_themes() {
    on_both(harbor, |world| async move {
        let asked = world
            .say("dev", "ask-harbor", "@stationmaster somebody leaked the key of our payment gateway, what now?")
            .await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        let request = {
            let mut tx = world.core.db.read().await.unwrap();
            store::requests::of_message(&mut tx, asked).await.unwrap().remove(0)
        };
        assert_eq!((request.route.as_str(), request.private), ("vault", true));
        gather(&world).await;
        assert!(gaps_of(&world, GapState::Open).await.is_empty());
        assert!(themes_of(&world).await.is_empty());
        world
    })
    .await;
}

#[tokio::test]
async fn what_becomes_private_later_is_taken_out() {
    on_both(harbor, |world| async move {
        let asked = in_vain(&world, "dev", "ask-harbor", GPU).await;
        let reply = world.reply_to(asked).await;
        world.fill("dev", &reply, "Get a person", &[]).await.unwrap();
        gather(&world).await;
        assert_eq!((gaps_of(&world, GapState::Open).await.len(), themes_of(&world).await[0].items), (1, 2));
        let request = {
            let mut tx = world.core.db.read().await.unwrap();
            store::requests::of_message(&mut tx, asked).await.unwrap().remove(0)
        };
        let triage = crate::requests::card(&world, &request, store::requests::ThreadRole::Triage).await;
        world.fill("sam", &triage, "Route", &[("route", "vault")]).await.unwrap();
        gather(&world).await;
        assert!(gaps_of(&world, GapState::Open).await.is_empty());
        assert!(themes_of(&world).await.is_empty());
        world
    })
    .await;
}

const THREE: [(&str, &str, &str, &str); 3] = [
    ("dev", "Restoring a database takes three tickets", "friction", "6"),
    ("dot", "To restore a database I had to write three tickets", "idea", "2"),
    ("pam", "It takes three tickets to restore a database", "bug", ""),
];

/// Feedback of three people of two teams and of somebody unknown, which becomes one theme.
pub async fn three_and_one(world: &World) -> (Vec<Feedback>, Feedback, Theme) {
    let mut said = Vec::new();
    for (who, text, kind, effort) in THREE {
        said.push(feedback(world, who, text, &[("kind", kind), ("effort", effort)]).await);
    }
    let words = "Three tickets to restore one database!";
    let unknown = feedback(world, "dev", words, &[("kind", "friction"), ("by", "anonymous")]).await;
    feedback(world, "dev", "The portal is lovely", &[("kind", "praise"), ("capability", "")]).await;
    gather(world).await;
    let mut themes = themes_of(world).await;
    assert_eq!(themes.len(), 1, "{themes:?}");
    (said, unknown, themes.remove(0))
}

async fn tell_again(world: &World, theme: ThemeId) {
    let mut tx = world.core.db.write().await.unwrap();
    let payload = work::Tell { theme };
    work::enqueue(&mut tx, &world.core, work::TELL, &payload, None, None).await.unwrap();
    world.core.db.commit(tx).await.unwrap();
    world.drain().await;
}

#[tokio::test]
async fn everybody_who_asked_is_told_once_in_their_own_thread() {
    on_both(harbor, |world| async move {
        let (said, unknown, theme) = three_and_one(&world).await;
        assert_eq!((theme.items, theme.voices, theme.teams, theme.minutes), (4, 4, 2, 60));
        let olga = person(&world, "olga");
        let at = (theme.number, theme.version);
        let silent = decide::decide(&world.core, &olga, at, Status::Shipped, None).await.unwrap_err();
        assert!(silent.to_string().contains("A sentence is needed"), "{silent}");
        let by_dev = decide::decide(&world.core, &person(&world, "dev"), at, Status::Planned, None).await.unwrap_err();
        assert!(by_dev.to_string().contains("Only those"), "{by_dev}");
        let planned = decide::decide(&world.core, &olga, at, Status::Planned, None).await.unwrap();
        let sentence = "One form does it now.";
        let late = decide::decide(&world.core, &olga, at, Status::Shipped, Some(sentence)).await.unwrap_err();
        assert!(late.to_string().contains("at the same moment"), "{late}");
        let at = (planned.number, planned.version);
        let shipped = decide::decide(&world.core, &olga, at, Status::Shipped, Some(sentence)).await.unwrap();
        world.drain().await;
        tell_again(&world, shipped.id).await;
        for (feedback, hurt) in said.iter().zip([true, false, true]) {
            let replies = told(&world, feedback, sentence).await;
            assert_eq!(replies.len(), 1, "{:?}", feedback.text);
            assert_eq!(crate::support::button(&replies[0], "7").is_some(), hurt, "{}", feedback.text);
            assert!(replies[0].text.contains("Olga Owner"), "{}", replies[0].text);
        }
        let mut tx = world.core.db.read().await.unwrap();
        for feedback in &said {
            let now = store::feedback::by_id(&mut tx, feedback.id).await.unwrap().unwrap();
            assert_eq!((now.status, now.reply.as_deref()), (Status::Shipped, Some(sentence)));
            assert!(now.replied_at.is_some());
        }
        let now = store::feedback::by_id(&mut tx, unknown.id).await.unwrap().unwrap();
        assert_eq!((now.status, now.reply, now.replied_at), (Status::Shipped, None, None));
        assert_eq!(store::themes::replies(&mut tx, shipped.id).await.unwrap().len(), 3);
        drop(tx);
        let (start, end) = (Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
        let closed = decide::closed_with_a_reply(&world.core, "harbor", start, end).await.unwrap();
        assert_eq!((closed.answerable, closed.replied, closed.unanswerable), (3, 3, 1));
        // The effort question is answered by whoever was asked.
        let question = told(&world, &said[0], sentence).await.remove(0);
        world.press("dev", &question, "6", &[]).await.unwrap();
        // Whoever was asked just now is told of the next decision, and asked no more for a while.
        let words = "The portal forgets every hour who I am";
        let next = feedback(&world, "dev", words, &[("kind", "bug"), ("effort", "7")]).await;
        gather(&world).await;
        let theme = themes_of(&world).await.into_iter().find(|theme| theme.title == words).unwrap();
        let sentence = "It remembers you for a week.";
        let at = (theme.number, theme.version);
        decide::decide(&world.core, &olga, at, Status::Shipped, Some(sentence)).await.unwrap();
        world.drain().await;
        let replies = told(&world, &next, sentence).await;
        assert_eq!(replies.len(), 1);
        assert!(crate::support::button(&replies[0], "7").is_none(), "{}", replies[0].text);
        world
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_telling_goes_on_where_it_was() {
    on_both(harbor, |world| async move {
        let (said, _, theme) = three_and_one(&world).await;
        // What a crash leaves behind: one was told and written down, the words are posted, the job comes again.
        let olga = person(&world, "olga");
        let at = (theme.number, theme.version);
        let declined = decide::decide(&world.core, &olga, at, Status::Declined, Some("Too dangerous.")).await.unwrap();
        decide::tell(&world.core, declined.id).await.unwrap();
        decide::tell(&world.core, declined.id).await.unwrap();
        world.drain().await;
        for feedback in &said {
            assert_eq!(told(&world, feedback, "Too dangerous.").await.len(), 1);
        }
        // Taken up again with a reason, nobody hears of it; what is decided then is another decision.
        let at = (declined.number, declined.version);
        let again = decide::decide(&world.core, &olga, at, Status::Planned, Some("We found a way.")).await.unwrap();
        world.drain().await;
        assert!(told(&world, &said[0], "We found a way.").await.is_empty());
        let at = (again.number, again.version);
        decide::decide(&world.core, &olga, at, Status::Shipped, Some("It is safe now.")).await.unwrap();
        world.drain().await;
        for feedback in &said {
            assert_eq!(told(&world, feedback, "It is safe now.").await.len(), 1);
        }
        world
    })
    .await;
}

#[tokio::test]
async fn merging_and_splitting_keep_every_asker() {
    on_both(harbor, |world| async move {
        let (said, _, theme) = three_and_one(&world).await;
        feedback(&world, "pam", "A dark mode for the portal would be kind to my eyes", &[("kind", "idea")]).await;
        gather(&world).await;
        let other = themes_of(&world).await.into_iter().find(|it| it.id != theme.id).unwrap();
        let olga = person(&world, "olga");
        let (from, into) = ((other.number, other.version), (theme.number, theme.version));
        let merged = themes::merge(&world.core, &olga, from, into).await.unwrap();
        assert_eq!((merged.items, merged.voices, merged.teams), (5, 4, 2));
        let redirected = {
            let mut tx = world.core.db.read().await.unwrap();
            store::themes::standing_of_number(&mut tx, other.number).await.unwrap().unwrap()
        };
        assert_eq!(redirected.id, theme.id);
        let chosen = [(ItemKind::Feedback, said[2].id.uuid()), (ItemKind::Feedback, said[0].id.uuid())];
        let at = (merged.number, merged.version);
        let nothing = themes::split(&world.core, &olga, at, &[], "Nothing").await.unwrap_err();
        assert!(nothing.to_string().contains("without items"), "{nothing}");
        let split = themes::split(&world.core, &olga, at, &chosen, "Restores by form").await.unwrap();
        assert_eq!((split.items, split.teams, split.title.as_str()), (2, 2, "Restores by form"));
        gather(&world).await;
        let all = themes_of(&world).await;
        assert_eq!(all.iter().map(|theme| theme.items).sum::<i64>(), 5);
        let now = {
            let mut tx = world.core.db.read().await.unwrap();
            store::feedback::by_id(&mut tx, said[0].id).await.unwrap().unwrap()
        };
        assert_eq!(now.theme, Some(split.id));
        let sentence = "It is one form now.";
        let at = (split.number, split.version);
        decide::decide(&world.core, &olga, at, Status::Shipped, Some(sentence)).await.unwrap();
        world.drain().await;
        let counts = [told(&world, &said[0], sentence).await.len(), told(&world, &said[1], sentence).await.len()];
        assert_eq!(counts, [1, 0]);
        world
    })
    .await;
}

#[tokio::test]
async fn a_voice_is_added_once_and_told_in_a_direct_message() {
    on_both(harbor, |world| async move {
        let (_, _, theme) = three_and_one(&world).await;
        let platform = world.core.config.platform("harbor").unwrap().clone();
        let alike = themes::similar(&world.core, &platform, "restoring databases needs three tickets").await.unwrap();
        assert_eq!(alike[0].0.id, theme.id);
        let far = themes::similar(&world.core, &platform, "the coffee in the kitchen is cold").await.unwrap();
        assert!(far.is_empty());
        let sam = person(&world, "sam");
        for fresh in [true, false] {
            let mut tx = world.core.db.write().await.unwrap();
            let added = themes::add_voice(&world.core, &mut tx, theme.id, &sam, None, None, Some(5)).await.unwrap();
            assert_eq!(added, fresh);
            world.core.db.commit(tx).await.unwrap();
        }
        gather(&world).await;
        assert_eq!(themes_of(&world).await[0].voices, 5);
        let at = (theme.number, theme.version);
        decide::decide(&world.core, &person(&world, "olga"), at, Status::Shipped, Some("Done at last.")).await.unwrap();
        world.drain().await;
        tell_again(&world, theme.id).await;
        let mut tx = world.core.db.read().await.unwrap();
        let direct = store::messages::roots(&mut tx, "console", "dm:sam", "sam", 50).await.unwrap();
        let told: Vec<_> = direct.iter().filter(|message| message.text.contains("Done at last.")).collect();
        assert_eq!(told.len(), 1, "{direct:?}");
        assert!(crate::support::button(told[0], "1").is_some(), "it hurt");
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn the_ledger_answers_what_was_asked_for_and_decided() {
    on_both(harbor, |world| async move {
        let (_, _, theme) = three_and_one(&world).await;
        let question = "@stationmaster has anyone asked for database restores with fewer tickets?";
        let asked = world.say("pam", "ask-harbor", question).await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("4 people of 2 teams asked for it; nothing was decided yet."), "{}", reply.text);
        for name in ["Dev", "Dot", "Pam"] {
            assert!(!reply.text.contains(name), "{}", reply.text);
        }
        let citation = world.citations(asked).await.remove(0);
        assert_eq!(citation.source, "decisions");
        assert!(citation.url.ends_with(&format!("/review/p/harbor/themes/{}", theme.number)), "{}", citation.url);
        let olga = person(&world, "olga");
        let at = (theme.number, theme.version);
        decide::decide(&world.core, &olga, at, Status::Declined, Some("A restore needs a second pair of eyes."))
            .await
            .unwrap();
        world.drain().await;
        let asked = world
            .say("pam", "ask-harbor", "@stationmaster will you ever support restoring a database with one ticket?")
            .await;
        let reply = world.reply_to(asked).await;
        assert!(reply.text.contains("**declined** on 2026-05-12"), "{}", reply.text);
        assert!(reply.text.contains("second pair of eyes"), "{}", reply.text);
        let other =
            world.say("pam", "ask-harbor", "@stationmaster has anyone asked for a swimming pool on the roof?").await;
        assert!(!world.reply_to(other).await.text.contains("asked for it"));
        world
    })
    .await;
}

#[tokio::test]
async fn the_order_follows_factors_that_can_be_added_up_by_hand() {
    on_both(harbor, |world| async move {
        let (_, _, theme) = three_and_one(&world).await;
        feedback(&world, "pam", "A dark mode for the portal would be kind to my eyes", &[("kind", "idea")]).await;
        gather(&world).await;
        let platform = world.core.config.platform("harbor").unwrap().clone();
        let ranked = ranking::rank(&world.core, &platform, Weights::default()).await.unwrap();
        assert_eq!((ranked.len(), ranked[0].theme.id, ranked[0].place), (2, theme.id, 1));
        // Four items of 15 minutes, two teams; efforts: cart 6 and 2, payments told none, the unknown none.
        let factors = ranked[0].factors;
        assert!((factors.minutes - 60.0).abs() < 1e-9 && (factors.teams - 2.0).abs() < 1e-9, "{factors:?}");
        assert!((factors.effort - 4.0).abs() < 1e-9, "{factors:?}");
        assert!((ranked[0].score - 60.0 * 2.0 * 4.0).abs() < 1e-6, "{}", ranked[0].score);
        let none = Weights { minutes: 0.0, teams: 0.0, effort: 0.0 };
        let flat = ranking::rank(&world.core, &platform, none).await.unwrap();
        assert!(flat.iter().all(|ranked| (ranked.score - 1.0).abs() < 1e-9));
        assert_eq!(flat.iter().find(|ranked| ranked.theme.id == theme.id).unwrap().usual_place, 1);
        world
    })
    .await;
}

#[tokio::test]
async fn gathering_again_changes_nothing() {
    on_both(harbor, |world| async move {
        three_and_one(&world).await;
        in_vain(&world, "dev", "ask-harbor", GPU).await;
        gather(&world).await;
        let before = (gaps_of(&world, GapState::Open).await, themes_of(&world).await);
        world.clock.advance(Duration::from_hours(25));
        gather(&world).await;
        assert_eq!((gaps_of(&world, GapState::Open).await, themes_of(&world).await), before);
        world
    })
    .await;
}
