//! Feedback: offered, sent in by a form, without a name where somebody wants none, and the effort question.

use std::time::Duration;

use stationmaster::{
    chat::{Command, Form, FormFieldKind, Pointed, WayBack},
    console,
    domain::feedback::{Kind, Status},
    ops::{Failure, command, insight::gather},
    store::{self, feedback::Feedback},
};

use crate::support::{Files, World, button, on_both};

/// What somebody sees who gives the command, perhaps on a message.
async fn form(world: &World, person: &str, channel: &str, about: Option<Pointed>, text: &str) -> Form {
    let person = console::person(&world.core.config, person).expect("the person is in the files");
    let command = Command {
        delivery_key: world.key(),
        chat: "console".to_owned(),
        channel: channel.to_owned(),
        author: stationmaster::chat::Author::known(&person.id, &person.name),
        verb: "feedback".to_owned(),
        text: text.to_owned(),
        direct: false,
        about,
        way_back: WayBack { handle: "way back".to_owned(), lifetime: Duration::from_mins(30) },
    };
    command::run(&world.core, &command).await.expect("the form opens").form.expect("a form")
}

async fn newest(world: &World) -> Vec<Feedback> {
    let mut tx = world.core.db.read().await.unwrap();
    store::feedback::newest(&mut tx, "harbor", 10).await.unwrap()
}

#[tokio::test]
async fn feedback_reaches_the_owner_with_all_that_was_said() {
    on_both(Files::harbor, |world| async move {
        let opened = form(&world, "dev", "ask-harbor", None, "Restoring a database takes three tickets").await;
        let fields: Vec<&str> = opened.fields.iter().map(|field| field.id.as_str()).collect();
        assert_eq!(fields, ["kind", "text", "capability", "effort", "by"]);
        let guessed = opened.fields.iter().find(|field| field.id == "capability").unwrap();
        assert_eq!(guessed.value.as_deref(), Some("databases"));
        let missing = world.send("dev", &opened, &[("effort", "9")]).await.unwrap_err();
        let Failure::Form(errors) = missing else { panic!("{missing:?}") };
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["effort", "kind"]);
        assert!(newest(&world).await.is_empty());

        let said = world.send("dev", &opened, &[("kind", "friction"), ("effort", "6")]).await.unwrap();
        let notice = said.notice.unwrap();
        assert!(notice.contains("Olga Owner") && notice.contains("F1"), "{notice}");
        let kept = newest(&world).await.remove(0);
        assert_eq!((kept.number, kept.kind, kept.status), (1, Kind::Friction, Status::New));
        assert_eq!((kept.person.as_deref(), kept.team.as_deref()), (Some("dev"), Some("cart")));
        assert_eq!((kept.capability.as_deref(), kept.effort, kept.contact), (Some("databases"), Some(6), true));
        let message = world.message(kept.message.unwrap()).await;
        assert_eq!((message.text.as_str(), message.private_to.as_deref()), (kept.text.as_str(), Some("dev")));

        let again = world.send("dev", &opened, &[("kind", "friction")]).await.unwrap_err();
        assert!(again.to_string().contains("sent this already"), "{again}");
        assert_eq!(newest(&world).await.len(), 1);
        world
    })
    .await;
}

#[tokio::test]
async fn nothing_leads_back_from_anonymous_feedback() {
    on_both(Files::harbor, |world| async move {
        let opened = form(&world, "dot", "ask-harbor", None, "").await;
        let words = "On-call for the harbour is burning people out; token ghp_0123456789abcdef0123456789abcdef0123";
        let sent = [("kind", "friction"), ("text", words), ("by", "anonymous")];
        let notice = world.send("dot", &opened, &sent).await.unwrap().notice.unwrap();
        assert!(notice.contains("nobody can tell"), "{notice}");
        let kept = newest(&world).await.remove(0);
        assert!(kept.is_anonymous() && kept.text.contains("[redacted: GitHub token]"), "{}", kept.text);
        assert_eq!((kept.person, kept.team, kept.message, kept.contact), (None, None, None, false));
        assert_eq!(kept.said_at.micros() % 86_400_000_000, 0, "the day, not the time");
        assert_ne!(kept.id.uuid().get_version_num(), 7, "the id holds no time");
        let mut tx = world.core.db.read().await.unwrap();
        assert!(store::actions::by_id(&mut tx, opened.action).await.unwrap().is_none(), "the form is forgotten");
        assert!(store::people::identity(&mut tx, "console", "dot").await.unwrap().is_none(), "nobody was met");
        let said = store::messages::newest_of_author(&mut tx, "console", "ask-harbor", "dot").await.unwrap();
        assert!(said.is_none(), "no message was kept");
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn what_sounds_like_feedback_is_offered_and_never_taken() {
    on_both(Files::harbor, |world| async move {
        let idea = "It would be great if rollbacks could be started from the portal with one click";
        let said = world.say("dev", "everything", idea).await;
        assert_eq!(world.decision(said).await.outcome, "offered_feedback");
        assert!(newest(&world).await.is_empty(), "nothing is taken");
        let offer = world.reply_to(said).await;
        assert_eq!(offer.private_to.as_deref(), Some("dev"), "only its author sees the offer");
        assert!(offer.text.contains("Olga Owner"), "{}", offer.text);
        let refused = world.press("dot", &offer, "Pass it on", &[]).await.unwrap_err();
        assert!(refused.to_string().contains("Only whoever wrote it"), "{refused}");
        world.fill("dev", &offer, "Pass it on", &[]).await.unwrap();
        let kept = newest(&world).await.remove(0);
        assert_eq!((kept.kind, kept.text.as_str(), kept.message), (Kind::Idea, idea, Some(said)));
        world
    })
    .await;
}

#[tokio::test]
async fn several_people_may_point_at_the_same_words() {
    on_both(Files::harbor, |world| async move {
        let said = world.say("sam", "storage-help", "The restore form asks for the region three times.").await;
        let message = world.message(said).await;
        let pointed = || Pointed {
            external_id: message.external_id.clone(),
            thread: None,
            author: stationmaster::chat::Author::known("sam", "Sam Support"),
            text: message.text.clone(),
            files: Vec::new(),
        };
        for person in ["dev", "dot"] {
            let opened = form(&world, person, "storage-help", Some(pointed()), "").await;
            let text = opened.fields.iter().find(|field| field.id == "text").unwrap();
            assert_eq!(text.value.as_deref(), Some(message.text.as_str()));
            world.send(person, &opened, &[("kind", "friction"), ("by", "quiet")]).await.unwrap();
        }
        let people: Vec<_> = newest(&world).await.into_iter().map(|it| (it.person.unwrap(), it.contact)).collect();
        assert_eq!(people.len(), 2, "{people:?}");
        assert!(people.iter().all(|(_, contact)| !contact));
        world
    })
    .await;
}

#[tokio::test]
async fn personal_data_is_taken_out_where_that_is_configured() {
    fn files() -> Files {
        Files { more: "[privacy]\nredact_personal_data = true\n".to_owned(), ..Files::harbor() }
    }
    on_both(files, |world| async move {
        let said = world.say("dev", "storage-help", "please add dana.okafor@harbor.example to the backups").await;
        assert_eq!(world.message(said).await.text, "please add [redacted: e-mail address] to the backups");
        let asked = world.say("dev", "ask-harbor", "How long are production database backups kept?").await;
        let values = [("reason", "other"), ("comment", "ask dana.okafor@harbor.example instead")];
        world.press("dev", &world.reply_to(asked).await, "Not helpful", &values).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let question = store::answers::question_of_message(&mut tx, asked).await.unwrap().unwrap();
        let answer = store::answers::of_question(&mut tx, question.id).await.unwrap().remove(0);
        let rating = store::ratings::of_answer(&mut tx, answer.id).await.unwrap().remove(0);
        assert_eq!(rating.comment.as_deref(), Some("ask [redacted: e-mail address] instead"));
        drop(tx);
        world
    })
    .await;
}

#[tokio::test]
async fn some_are_asked_how_easy_it_was_and_nobody_too_often() {
    fn files() -> Files {
        Files { more: "[instruments]\neffort_after_answer = 1.0\n".to_owned(), ..Files::harbor() }
    }
    on_both(files, |world| async move {
        let asked = world.say("dev", "ask-harbor", "How long are production database backups kept?").await;
        let answer = world.reply_to(asked).await;
        world.press("dev", &answer, "Helpful", &[]).await.unwrap();
        let question = world.replies(asked, "dev").await.pop().unwrap();
        assert!(question.text.contains("Harbor made it easy for me to handle my issue."), "{}", question.text);
        assert_eq!(world.replies(asked, "dot").await.len(), 1, "only the asker is asked");
        let refused = world.press("dot", &question, "6", &[]).await.unwrap_err();
        assert!(refused.to_string().contains("Somebody else was asked"), "{refused}");
        world.press("dev", &question, "3", &[]).await.unwrap();
        world.press("dev", &question, "6", &[]).await.unwrap();
        let mut tx = world.core.db.read().await.unwrap();
        let subject = store::answers::question_of_message(&mut tx, asked).await.unwrap().unwrap();
        let scores = store::instruments::scores(&mut tx, subject.id.uuid()).await.unwrap();
        assert_eq!(scores, [("effort".to_owned(), 6, 1)], "the later answer counts");
        drop(tx);

        let again = world.say("dev", "ask-harbor", "How do I roll back a release?").await;
        world.press("dev", &world.reply_to(again).await, "Helpful", &[]).await.unwrap();
        assert_eq!(world.replies(again, "dev").await.len(), 1, "not twice within days");
        world.clock.advance(Duration::from_hours(24 * 6));
        let later = world.say("dev", "ask-harbor", "How do I roll back a release, again?").await;
        world.press("dev", &world.replies(later, "dev").await[0], "Helpful", &[]).await.unwrap();
        assert_eq!(world.replies(later, "dev").await.len(), 2);
        assert!(button(&world.replies(later, "dev").await[1], "7").is_some());
        world
    })
    .await;
}

#[tokio::test]
async fn a_voice_for_what_others_said_in_place_of_saying_it_again() {
    on_both(Files::harbor, |world| async move {
        let words = "Restoring a database backup takes far too many steps";
        let first = form(&world, "dev", "ask-harbor", None, words).await;
        world.send("dev", &first, &[("kind", "friction"), ("effort", "6")]).await.unwrap();
        gather::gather(&world.core, "harbor").await.unwrap();
        world.drain().await;

        let second = form(&world, "dot", "ask-harbor", None, "Too many steps to restore a database backup").await;
        let asked = world.send("dot", &second, &[("kind", "friction"), ("effort", "5")]).await.unwrap();
        let which = asked.form.expect("it asks whether that is meant");
        let FormFieldKind::Choice { options } = &which.fields[0].kind else { panic!("{which:?}") };
        assert!(options[0].1.starts_with("+1: ") && options[0].1.contains("1 voice, new"), "{options:?}");
        assert_eq!(options.last().unwrap().0, "new");
        assert_eq!(newest(&world).await.len(), 1, "nothing is kept before the choice");
        let joined = world.send("dot", &which, &[("join", options[0].0.as_str())]).await.unwrap();
        assert!(joined.notice.unwrap().starts_with("Counted."));
        assert_eq!(newest(&world).await.len(), 1, "a voice is no feedback of its own");
        let again = world.send("dot", &which, &[("join", options[0].0.as_str())]).await.unwrap_err();
        assert!(again.to_string().contains("sent this already"), "{again}");

        let third = form(&world, "sam", "ask-harbor", None, "So many steps to restore a database backup!").await;
        let quiet = [("kind", "friction"), ("by", "anonymous")];
        let which = world.send("sam", &third, &quiet).await.unwrap().form.expect("it asks again");
        world.send("sam", &which, &[("join", options[0].0.as_str())]).await.unwrap();
        let kept = newest(&world).await;
        let unnamed = kept.iter().find(|it| it.is_anonymous()).expect("kept without a name");
        assert_eq!(unnamed.theme.map(|id| id.to_string()).as_deref(), Some(options[0].0.as_str()));
        gather::gather(&world.core, "harbor").await.unwrap();
        world.drain().await;
        let mut tx = world.core.db.read().await.unwrap();
        let theme = store::themes::spoken_of(&mut tx, "harbor", 5).await.unwrap().remove(0);
        assert_eq!((theme.items, theme.teams), (3, 1), "{theme:?}");
        drop(tx);

        let fourth = form(&world, "dev", "ask-harbor", None, "Please rename the portal, its name is odd").await;
        assert!(world.send("dev", &fourth, &[("kind", "idea")]).await.unwrap().form.is_none(), "nothing is like it");
        world
    })
    .await;
}
