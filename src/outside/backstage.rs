//! Backstage's scaffolder: a template as a service (backstage.io, `plugins/scaffolder-backend`, API v2).

use anyhow::Context as _;
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::{
    Error, LOG_LINES, Link, Run, RunState,
    http::{Access, Http, Service},
    presentable,
    tracker::search_from,
    web_address,
};
use crate::{clock::Timestamp, config::server::Backstage as Settings};

const TASKS: [&str; 4] = ["api", "scaffolder", "v2", "tasks"];

/// Tasks that are looked through for one that a first attempt may have made.
const NEWEST: &str = "50";

/// The scaffolder of one Backstage.
#[derive(Debug, Clone)]
pub struct Scaffolder {
    service: Service,
    app: Option<Url>,
}

/// What was seen of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The log has the lines that are new; that of a failed task the last ones, new or not.
    pub run: Run,
    /// The last event that was seen; `after` of the next look.
    pub seen: Option<i64>,
}

impl Scaffolder {
    /// # Errors
    /// When an address is none.
    pub fn new(http: &Http, settings: &Settings) -> anyhow::Result<Self> {
        let base = Url::parse(&settings.url).context("read backstage.url")?;
        let app = Some(&settings.app_url).filter(|url| !url.is_empty());
        let app = app.map(|url| Url::parse(url)).transpose().context("read backstage.app_url")?;
        let access = Access::Bearer(settings.token.clone());
        Ok(Self { service: Service::new(http, "Backstage", base, access, "backstage.token", &[]), app })
    }

    /// Starts the template `kind:namespace/name` and returns the id of its task. Backstage takes no key of ours: with
    /// `first_tried`, a task since then of the same template with the same values is taken for the one of the first attempt.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn start(
        &self,
        template: &str,
        values: &Map<String, Json>,
        first_tried: Option<Timestamp>,
    ) -> Result<String, Error> {
        if let Some(tried) = first_tried
            && let Some(task) = self.find(template, values, search_from(tried)).await?
        {
            return Ok(task);
        }
        let answer = self.service.post(&TASKS, &json!({ "templateRef": template, "values": values })).await?;
        let id = answer.body["id"].as_str().ok_or_else(|| Error::later("Backstage made a task without an id"))?;
        Ok(id.to_owned())
    }

    async fn find(
        &self,
        template: &str,
        values: &Map<String, Json>,
        since: Timestamp,
    ) -> Result<Option<String>, Error> {
        let query = [("limit", NEWEST), ("order", "desc:created_at")];
        let answer = self.service.get(&TASKS, &query).await?;
        let mut tasks = answer["tasks"].as_array().into_iter().flatten();
        let ours = tasks.find(|task| {
            let spec = &task["spec"];
            spec["templateInfo"]["entityRef"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(template))
                && spec["parameters"].as_object() == Some(values)
                && time(&task["createdAt"]).is_some_and(|at| at >= since)
        });
        Ok(ours.and_then(|task| task["id"].as_str()).map(str::to_owned))
    }

    /// How far a task has come, and what its log says after the event `after`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn watch(&self, task: &str, after: Option<i64>) -> Result<Watched, Error> {
        let status = self.service.get(&[&TASKS[..], &[task]].concat(), &[]).await?;
        let status = status["status"].as_str().unwrap_or_default();
        let mut events = self.events(task, after).await?;
        let seen = events.iter().filter_map(|event| event["id"].as_i64()).max().or(after);
        // The end was seen before the task's own status had changed, or what led to a failure was.
        let missed = is_over(status) && completion(&events).is_none();
        let failed = matches!(state(status, &events), RunState::Failed { .. });
        if after.is_some() && (missed || failed) {
            events = self.events(task, None).await?;
        }
        let run = Run { state: state(status, &events), url: self.page(task), log: log_end(&events) };
        Ok(Watched { run, seen })
    }

    async fn events(&self, task: &str, after: Option<i64>) -> Result<Vec<Json>, Error> {
        let after = after.map(|after| after.to_string());
        let query: Vec<(&str, &str)> = after.iter().map(|after| ("after", after.as_str())).collect();
        match self.service.get(&[&TASKS[..], &[task, "events"]].concat(), &query).await? {
            Json::Array(events) => Ok(events),
            _ => Err(Error::later("Backstage answered with something else than events")),
        }
    }

    /// Where people watch a task.
    fn page(&self, task: &str) -> Option<Url> {
        let mut url = self.app.clone()?;
        url.path_segments_mut().ok()?.pop_if_empty().extend(["create", "tasks", task]);
        Some(url)
    }
}

fn time(value: &Json) -> Option<Timestamp> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    Some(Timestamp::from_micros(time.as_microsecond()))
}

fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled" | "skipped")
}

fn completion(events: &[Json]) -> Option<&Json> {
    events.iter().rev().find(|event| event["type"] == "completion").map(|event| &event["body"])
}

fn state(status: &str, events: &[Json]) -> RunState {
    let last = completion(events);
    let status = match last {
        Some(body) => body["status"].as_str().unwrap_or(status),
        None => status,
    };
    match (status, last) {
        ("completed", last) => {
            RunState::Succeeded { links: last.map(|body| links(&body["output"])).unwrap_or_default() }
        }
        (status, last) if is_over(status) => {
            let told = |body: &Json| {
                let text = body["error"]["message"].as_str().or_else(|| body["message"].as_str());
                text.map(presentable).filter(|text| !text.is_empty())
            };
            RunState::Failed { message: last.and_then(told).unwrap_or_else(|| format!("the task was {status}")) }
        }
        _ => RunState::Running,
    }
}

/// The links of a template's output that lead out of Backstage; those to entities have no address here.
fn links(output: &Json) -> Vec<Link> {
    let links = output["links"].as_array().into_iter().flatten();
    let read = |link: &Json| {
        let url = link["url"].as_str().and_then(web_address)?;
        let title = link["title"].as_str().map_or_else(|| url.host_str().unwrap_or("Result").to_owned(), presentable);
        Some(Link { title, url })
    };
    links.filter_map(read).collect()
}

fn log_end(events: &[Json]) -> Vec<String> {
    let messages =
        events.iter().filter(|event| event["type"] == "log").filter_map(|event| event["body"]["message"].as_str());
    let lines: Vec<String> = messages.flat_map(str::lines).map(presentable).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(body: &Json) -> Vec<Json> {
        vec![
            json!({"id": 1, "type": "log", "body": {"message": "x"}}),
            json!({"id": 2, "type": "completion", "body": body}),
        ]
    }

    #[test]
    fn states_are_read() {
        #[track_caller]
        fn check(status: &str, events: &[Json], expected: &RunState) {
            assert_eq!(&state(status, events), expected);
        }
        let failed = |message: &str| RunState::Failed { message: message.to_owned() };
        check("open", &[], &RunState::Running);
        check("processing", &over(&json!(null))[..1], &RunState::Running);
        check("completed", &[], &RunState::Succeeded { links: vec![] });
        let output = json!({"links": [
            {"title": "Repository", "url": "https://git.example/new"}, {"title": "Entity", "entityRef": "component:new"},
            {"url": "https://x.example/y"}, {"title": "Bad", "url": "javascript:x"}]});
        let link = |title: &str, url: &str| Link { title: title.to_owned(), url: url.parse().unwrap() };
        let links = vec![link("Repository", "https://git.example/new"), link("x.example", "https://x.example/y")];
        check("processing", &over(&json!({"status": "completed", "output": output})), &RunState::Succeeded { links });
        check(
            "failed",
            &over(&json!({"status": "failed", "error": {"message": "name is taken"}})),
            &failed("name is taken"),
        );
        check("failed", &over(&json!({"message": "Run failed"})), &failed("Run failed"));
        check("cancelled", &[], &failed("the task was cancelled"));
    }

    #[test]
    fn the_end_of_the_log_is_short_and_holds_no_secret() {
        let line = |text: String| json!({"type": "log", "body": {"message": text}});
        let mut events: Vec<Json> = (0..30).map(|n| line(format!("step {n}\n"))).collect();
        events.push(line("password=hunter2hunter2".to_owned()));
        let log = log_end(&events);
        assert_eq!((log.len(), log[0].as_str(), log[19].as_str()), (20, "step 11", "password=[redacted: password]"));
    }
}
