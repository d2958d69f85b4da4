//! One conversation, every chat system: the same transcripts give the same rows.

use stationmaster::{ops::insight::gather, store};

use crate::support::{
    Files,
    stage::{ChatKind, Said, Stage, everywhere, everywhere_with},
};

#[tokio::test]
async fn a_question_a_follow_up_and_thanks() {
    everywhere("question, follow-up without a mention, thanks", |stage| async move {
        let asked = stage.say("dev", "ask-harbor", "how long do you keep backups of production databases?").await;
        stage.reply("dev", &asked, "and how do I restore one?").await;
        stage.reply("dev", &asked, "great, thanks a lot!").await;
        let rows = stage.rows().await;
        assert!(rows.contains("35 days") && rows.contains("thanked as"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_mention_where_only_mentions_are_answered() {
    everywhere("mention, and silence without one", |stage| async move {
        stage.say("dev", "storage-help", "how long are backups kept?").await;
        stage.say("dev", "storage-help", "@stationmaster how long are backups kept?").await;
        let rows = stage.rows().await;
        assert!(rows.contains("silent as") && rows.contains("answer Answered"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_rating_with_a_reason_and_a_thumb() {
    everywhere("rating with a reason, thumb on an answer", |stage| async move {
        let asked = stage.say("dev", "ask-harbor", "how long do you keep backups of production databases?").await;
        stage.thumb("dot", &asked, true).await;
        stage.press("dev", &asked, "Not helpful", &[("reason", "out_of_date"), ("comment", "it is 40 days now")]).await;
        let rows = stage.rows().await;
        assert!(rows.contains("helpful true") && rows.contains("40 days now"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_curated_answer_and_an_abstention_with_a_call_for_a_person() {
    everywhere("curated answer, abstention, call for a person", |stage| async move {
        stage.say("dev", "ask-harbor", "@stationmaster who runs Harbor?").await;
        let asked =
            stage.say("dev", "everything", "@stationmaster what is the best recipe for a vegetarian lasagne?").await;
        stage.press("dev", &asked, "Get a person", &[("priority", "low")]).await;
        let rows = stage.rows().await;
        assert!(
            rows.contains("Curated") && rows.contains("answer Abstained") && rows.contains("request #1 support by dev"),
            "{rows}"
        );
    })
    .await;
}

/// A question of Dev's that the pages do not answer, and the request it becomes. Its triage card is in #ask-harbor.
async fn opened(stage: &Stage) -> Said {
    let text = "@stationmaster our nightly export dies with signal 9 on the loading dock, what now?";
    let asked = stage.say("dev", "everything", text).await;
    let told = stage.press("dev", &asked, "Get a person", &[("priority", "high")]).await;
    assert!(told.contains("Thank you"), "{told}");
    asked
}

/// Sam says what became of it, and why it happened.
async fn resolved(stage: &Stage, cause: &str, words: &str) {
    let told = stage.press_in("sam", "ask-harbor", "Resolve", &[("cause", cause), ("text", words)]).await;
    assert!(told.contains("the requester is asked"), "{told}");
}

#[tokio::test]
async fn a_request_from_an_abstention_to_its_end() {
    everywhere("request: claimed, talked about, waited for, resolved, solved, effort", |stage| async move {
        let asked = opened(&stage).await;
        let told = stage.press_in("sam", "ask-harbor", "Claim", &[]).await;
        assert!(told.contains("It is yours."), "{told}");
        stage.reply_under("sam", Some("ask-harbor"), "Note", "Have you tried the big runner?").await;
        stage.reply_under("sam", Some("ask-harbor"), "Note", "// they never read the limits").await;
        stage.reply("dev", &asked, "Yes, and it dies there too.").await;
        stage.press_in("sam", "ask-harbor", "Need info", &[("text", "Which job is it?")]).await;
        stage.reply("dev", &asked, "It is `export-stock`.").await;
        resolved(&stage, "documentation_gap", "It needs 2 GB; I raised the limit.").await;
        let told = stage.press("dot", &asked, "Solved", &[]).await;
        assert!(told.contains("Only whoever opened the request"), "{told}");
        stage.press("dev", &asked, "Solved", &[]).await;
        stage.press("dev", &asked, "6", &[]).await;
        let rows = stage.rows().await;
        let timeline = "opened, claimed, said, note, said, asked, said, resolved, solved, effort";
        assert!(rows.contains("answer Abstained") && rows.contains(timeline), "{rows}");
        assert!(rows.contains("bot in everything: **Sam Support**: Have you tried the big runner?"), "{rows}");
        assert!(rows.contains("outcome Some(Solved), cause Some(DocumentationGap)"), "{rows}");
        assert!(!rows.contains("bot in everything: **Sam Support**: // they"), "a note crossed:\n{rows}");
    })
    .await;
}

#[tokio::test]
async fn two_people_claim_a_request_at_once() {
    everywhere("request: two people claim it at once", |stage| async move {
        opened(&stage).await;
        let told = stage.press_at_once(["sam", "olga"], "ask-harbor", "Claim").await;
        let (quicker, slower, refused) = match told.each_ref().map(String::as_str) {
            [taken, refused] if taken.contains("It is yours.") => (("sam", "Sam Support"), "Olga Owner", refused),
            [refused, taken] if taken.contains("It is yours.") => (("olga", "Olga Owner"), "Sam Support", refused),
            neither => panic!("nobody has it: {neither:?}"),
        };
        assert!(refused.contains(&format!("{} has taken it.", quicker.1)), "{refused}");
        // Who is quicker is chance.
        stage.disguise(&[(quicker.1, "The Quicker"), (quicker.0, "quicker"), (slower, "The Slower")]);
        let rows = stage.rows().await;
        assert!(rows.contains("with Some(\"quicker\")") && rows.contains("timeline: opened, claimed\n"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_solved_is_opened_again() {
    everywhere("request: not solved, opened again, closed by its requester", |stage| async move {
        let asked = opened(&stage).await;
        resolved(&stage, "user_error", "Restart it.").await;
        stage.press("dev", &asked, "Not solved", &[("text", "It dies at midnight.")]).await;
        let rows = stage.rows().await;
        assert!(rows.contains("    assigned in") && rows.contains("came back 1 times"), "{rows}");
        stage.press("dev", &asked, "No longer needed", &[]).await;
        let rows = stage.rows().await;
        assert!(rows.contains("timeline: opened, resolved, reopened, withdrawn"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_request_from_a_menu_and_by_a_command() {
    everywhere("request: from a message's menu, by a command, as a list", |stage| async move {
        let said = stage.say("dot", "storage-help", "our printer is jammed again, sigh").await;
        stage.menu("dev", &said, &[("title", "The printer")]).await;
        let line = "request a second network address for the tea kettle";
        stage.command_form("dev", "ask-harbor", line, &[("title", "The kettle")]).await;
        let shown = stage.command("dev", "ask-harbor", "requests").await;
        assert!(shown.contains("#1 · The printer") && shown.contains("#2 · The kettle"), "{shown}");
        let rows = stage.rows().await;
        assert!(rows.contains("request #1 support by dev") && rows.contains("bot in a direct message: **#2"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn an_emoji_offers_a_request() {
    everywhere("request: an emoji, an offer to one person, the form", |stage| async move {
        let said = stage.say("dot", "storage-help", "our printer is jammed again, sigh").await;
        stage.react("sam", &said, ("🎫", "ticket")).await;
        stage.press("sam", &said, "Open a request", &[("title", "The printer")]).await;
        let again = stage.press("sam", &said, "Open a request", &[]).await;
        assert!(again.contains("#1"), "{again}");
        let rows = stage.rows().await;
        assert!(rows.contains("bot in storage-help for sam: Shall I pass this on"), "{rows}");
        assert!(rows.contains("request #1 support by sam"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_known_issue_answers_whoever_asks() {
    everywhere("known issue: marked, answers a question, followed to its end", |stage| async move {
        opened(&stage).await;
        let issue = [("title", "Nightly exports die with signal 9"), ("text", "Node pool three runs out of memory.")];
        stage.press_in("sam", "ask-harbor", "Known issue", &issue).await;
        let asked =
            stage.say("dot", "everything", "@stationmaster why do our nightly exports die with signal 9?").await;
        stage.press("dot", &asked, "Tell me when it is over", &[]).await;
        let over = [("state", "resolved"), ("text", "The pool has more memory now.")];
        stage.press_in("sam", "ask-harbor", "Known issue", &over).await;
        let rows = stage.rows().await;
        assert!(rows.contains("(investigating)") && rows.contains("signal 9** is over"), "{rows}");
        assert!(rows.contains("timeline: opened, issue_opened, issue_updated"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_private_request_goes_on_in_a_direct_message() {
    let name = "request: private, in a direct message and a restricted channel";
    everywhere_with(name, Files::harbor_with_routes, |stage| async move {
        let text = "@stationmaster I think my deploy key was leaked, who can help?";
        let asked = stage.say("dev", "everything", text).await;
        stage.press("dev", &asked, "Get a person", &[("priority", "urgent")]).await;
        let refused = stage.press_in("sam", "harbor-team", "Claim", &[]).await;
        assert!(refused.contains("Only the people of Vault"), "{refused}");
        stage.press_in("olga", "harbor-team", "Claim", &[]).await;
        stage.reply_under("olga", Some("harbor-team"), "Note", "I have taken it back. Where was it?").await;
        stage.reply_under("dev", None, "No longer needed", "It was in a gist.").await;
        stage.press_in("olga", "harbor-team", "Resolve", &[("cause", "access"), ("text", "You have a new one.")]).await;
        stage.press_direct("dev", "Solved", &[]).await;
        let rows = stage.rows().await;
        assert!(rows.contains("request #1 private") && rows.contains("in vault by rule"), "{rows}");
        assert!(rows.contains("bot in a direct message: **Olga Owner**: I have taken it back."), "{rows}");
        assert!(rows.contains("bot in harbor-team: **Dev Eloper**: It was in a gist."), "{rows}");
        assert!(!rows.contains("bot in everything: **#1"), "others learn of it:\n{rows}");
    })
    .await;
}

#[tokio::test]
async fn whoever_has_the_same_joins() {
    everywhere("request: something similar is shown to one person, who joins it", |stage| async move {
        opened(&stage).await;
        let text = "@stationmaster the nightly export of our team dies with signal 9 too, who can help?";
        let asked = stage.say("dot", "everything", text).await;
        stage.press("dot", &asked, "Get a person", &[("priority", "normal")]).await;
        stage.press("dot", &asked, "Join #1", &[]).await;
        resolved(&stage, "platform_defect", "The node was bad.").await;
        let rows = stage.rows().await;
        assert!(rows.contains("bot in everything for dot: Before I send it"), "{rows}");
        assert!(rows.contains("followed by dot") && !rows.contains("request #2"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_service_is_ordered_agreed_to_and_done() {
    let name = "service: two pages, a wrong value at its field, agreed to by somebody else, done by people";
    everywhere_with(name, crate::orders::catalogue, |stage| async move {
        let wrong = [("name", "No Spaces"), ("size", "large")];
        let steps: [&[(&str, &str)]; 3] = [&wrong, &[("name", "tea-leaves")], &[("reason", "It is a lot of tea.")]];
        let read = stage.order("dev", "ask-harbor", "A storage bucket", &steps).await;
        assert!(read[0].contains("Must match the pattern"), "a word at the field: {read:?}");
        assert!(!read[0].contains("on its way") && !read[1].contains("on its way"), "{read:?}");
        assert!(read[2].contains("Your request for “A storage bucket” is on its way."), "{read:?}");
        let own = stage.press_in("dev", "storage-help", "Approve", &[]).await;
        assert!(own.contains("their own request"), "{own}");
        stage.press_direct("olga", "Approve", &[("text", "Enjoy.")]).await;
        stage.press_in("sam", "storage-help", "Claim", &[]).await;
        let done = [("cause", "planned_change"), ("text", "It is there: s3://tea-leaves.")];
        stage.press_in("sam", "storage-help", "Resolve", &done).await;
        stage.press_direct("dev", "Solved", &[]).await;
        let rows = stage.rows().await;
        assert!(rows.contains("request #1 service by dev") && rows.contains("A storage bucket: tea-leaves"), "{rows}");
        assert!(rows.contains("timeline: opened, approved, claimed, resolved, solved"), "{rows}");
        assert!(rows.contains("bot in a direct message: **Dev Eloper** asks for"), "{rows}");
        assert!(rows.contains("400 EUR each month") && rows.contains("Enjoy."), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn feedback_by_every_entrance_and_a_voice_for_the_same() {
    everywhere(
        "feedback: by the command, from a message's menu, without a name, a voice for the same",
        |stage| async move {
            let line = "feedback Restoring a database backup takes too many steps";
            let told = stage.command_form("dev", "ask-harbor", line, &[("kind", "friction"), ("effort", "6")]).await;
            assert!(told.contains("Olga Owner") && told.contains("F1"), "{told}");
            let values = [("kind", "idea"), ("text", "Please rename the portal, its name is odd"), ("by", "anonymous")];
            let told = stage.command_form("sam", "ask-harbor", "feedback", &values).await;
            assert!(told.contains("nobody can tell"), "{told}");
            let said = stage.say("dot", "storage-help", "The dashboard of the queues is a joy to look at").await;
            let told = stage.menu_feedback("dev", &said, &[("kind", "praise"), ("by", "quiet")]).await;
            assert!(told.contains("F3"), "{told}");

            gather::gather(&stage.world.core, "harbor").await.unwrap();
            stage.settle().await;
            let theme = {
                let mut tx = stage.world.core.db.read().await.unwrap();
                let themes = store::themes::spoken_of(&mut tx, "harbor", 9).await.unwrap();
                themes.into_iter().find(|theme| theme.title.contains("database backup")).unwrap().id.to_string()
            };
            let line = "feedback Too many steps to restore a database backup";
            let forms = [&[("kind", "friction"), ("effort", "5")][..], &[("join", theme.as_str())]];
            let told = stage.command_forms("dot", "ask-harbor", line, &forms).await;
            assert!(told.contains("Counted."), "{told}");
            let rows = stage.rows().await;
            assert!(rows.contains("feedback F2 in a theme idea by None of None: Please rename"), "{rows}");
            assert!(!rows.contains("feedback F4"), "a voice is no feedback of its own: {rows}");
        },
    )
    .await;
}

#[tokio::test]
async fn an_edit_and_a_deletion() {
    everywhere("edit, deletion", |stage| async move {
        let asked = stage.say("dev", "ask-harbor", "how long are backups kept?").await;
        stage.edit(&asked, "what is the cpu quota of a team, and how do I raise it?").await;
        let gone = stage.say("dev", "ask-harbor", "how do I restore a backup of a database?").await;
        stage.delete(&gone).await;
        let rows = stage.rows().await;
        assert!(rows.contains("revision 2") && rows.contains("DELETED") && rows.contains("was taken back"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_pasted_secret_is_taken_out_and_its_owner_told() {
    everywhere("pasted secret", |stage| async move {
        let secret = "AKIAIOSFODNN7EXAMPLE";
        stage.say("dev", "ask-harbor", &format!("why does {secret} not work for backups?")).await;
        let rows = stage.rows().await;
        assert!(!rows.contains(secret) && rows.contains("for dev: ⚠ Your message held a secret"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_direct_message_draws_on_what_its_author_may_read() {
    everywhere("direct message", |stage| async move {
        stage.direct("sam", "how do I break the glass in an emergency?").await;
        stage.direct("dev", "hello, what can you do?").await;
        let rows = stage.rows().await;
        assert!(rows.contains("in a direct message"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn commands_answer_their_author_and_can_be_shared() {
    everywhere("commands, unknown command, private answer", |stage| async move {
        // At Discord nobody can type a command that is not there.
        if stage.kind != ChatKind::Discord {
            let shown = stage.command("dev", "ask-harbor", "dance").await;
            assert!(shown.contains("I do not know that command"), "{shown}");
        }
        let shown = stage.command("dev", "ask-harbor", "help").await;
        assert!(shown.contains("Stationmaster") && shown.contains("Harbor"), "{shown}");
        let shown = stage.command("dev", "ask-harbor", "about").await;
        assert!(shown.contains("2 sources"), "{shown}");
        stage.command("dev", "ask-harbor", "ask how long are backups kept?").await;
        let shown = stage.command("dev", "ask-harbor", "why").await;
        assert!(shown.contains("I answered it from the pages"), "{shown}");
        let rows = stage.rows().await;
        assert!(rows.contains("bot in ask-harbor for dev:") && rows.contains("[Share in channel]"), "{rows}");
    })
    .await;
}

#[tokio::test]
async fn a_code_for_linking_is_checked() {
    everywhere("code for linking accounts", |stage| async move {
        let shown = stage.command("dot", "ask-harbor", "link").await;
        let code = shown.split("link ").last().unwrap().split(['`', '\n']).next().unwrap().trim().to_owned();
        assert_eq!(code.len(), 8, "{shown}");
        stage.direct("dot", &format!("link {code}")).await;
        stage.direct("dot", "link 22222222").await;
        let rows = stage.rows().await;
        assert!(rows.contains("your other account") && rows.contains("do not know that code"), "{rows}");
    })
    .await;
}
