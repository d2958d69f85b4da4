//! One conversation, every chat system: the same transcripts give the same rows.

use crate::support::stage::{ChatKind, everywhere};

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
        stage.press("dev", &asked, "Get a person", &[]).await;
        let rows = stage.rows().await;
        assert!(
            rows.contains("Curated") && rows.contains("answer Abstained") && rows.contains("request by dev"),
            "{rows}"
        );
    })
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
