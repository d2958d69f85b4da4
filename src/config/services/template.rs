//! Templates of Backstage's scaffolder, taken as they are: their parameters are the form. Steps and output are Backstage's
//! own business and are not looked at.
//!
//! What Backstage has no place for (who may ask, who agrees, what it costs) stands in `<name>.policy.yaml` beside the
//! template, or in annotations: `stationmaster/capability`, `stationmaster/work`, `stationmaster/route`.

use serde_json::Value;

use super::{
    super::{diagnostics::parse_yaml, document::Document},
    Reading, SIDE_FILE, has_fields, is_id,
    rules::{Rules, RulesFile},
    stem,
};
use crate::domain::service::{
    FormSchema, Fulfilment, Service, WorkKind,
    schema::{self, PageSource},
};

pub(super) fn read(reading: &mut Reading<'_>, document: &Document) -> Option<Service> {
    let value = &document.value;
    if value["kind"] != "Template" {
        reading.error(document.line("/kind"), "not a template", "the catalogue takes kind: Template only");
        return None;
    }
    let metadata = &value["metadata"];
    let id = metadata["name"].as_str().map_or_else(|| stem(reading.file), str::to_owned);
    if !is_id(&id) {
        reading.error(
            document.line("/metadata/name"),
            format!("`{id}` cannot be an id"),
            "use letters, digits, - and _",
        );
        return None;
    }
    let form = form(reading, document)?;
    if !has_fields(reading, &form, document.line("/spec")) {
        return None;
    }
    let Rules { capability, work, title, cost, policy, fulfilment } = rules_beside(reading, &form)?;
    let noted = |key: &str| metadata["annotations"][format!("stationmaster/{key}")].as_str();
    if let Some(capability) = noted("capability") {
        reading.known_capability(capability, document.line("/metadata/annotations/stationmaster~1capability"));
    }
    let work = match noted("work") {
        None => work,
        Some("project") => WorkKind::Project,
        Some("operational") => WorkKind::Operational,
        Some(other) => {
            let line = document.line("/metadata/annotations/stationmaster~1work");
            reading.error(line, format!("{other} is not a kind of work"), "write operational or project");
            work
        }
    };
    let text = |key: &str| metadata[key].as_str().map(str::trim).filter(|text| !text.is_empty());
    Some(Service {
        name: text("title").unwrap_or(&id).to_owned(),
        summary: text("description").unwrap_or_default().to_owned(),
        capability: noted("capability").map(str::to_owned).or(capability),
        work,
        title,
        form,
        cost,
        policy,
        fulfilment: fulfilment.unwrap_or_else(|| usual(reading, metadata, &id, noted("route"))),
        id,
    })
}

/// Backstage does it where the platform names one, else people do.
fn usual(reading: &Reading<'_>, metadata: &Value, id: &str, route: Option<&str>) -> Fulfilment {
    match (&reading.platform.backstage, route) {
        (Some(backstage), None) => Fulfilment::Backstage {
            base_url: backstage.base_url.clone(),
            template_ref: format!("template:{}/{id}", metadata["namespace"].as_str().unwrap_or("default")),
            token_env: backstage.token_env.clone(),
        },
        (_, route) => Fulfilment::People { route: route.map(str::to_owned) },
    }
}

/// The parameters: one page, or a list of pages.
fn form(reading: &mut Reading<'_>, document: &Document) -> Option<FormSchema> {
    const PARAMETERS: &str = "/spec/parameters";
    let parameters = &document.value["spec"]["parameters"];
    let pages: Vec<(String, Value)> = match parameters {
        Value::Array(pages) => {
            pages.iter().enumerate().map(|(at, page)| (format!("{PARAMETERS}/{at}"), page.clone())).collect()
        }
        Value::Object(_) => vec![(PARAMETERS.to_owned(), parameters.clone())],
        _ => {
            reading.error(
                document.line("/spec"),
                "the template has no parameters",
                "a service needs a form: add spec.parameters",
            );
            return None;
        }
    };
    let sources = pages
        .iter()
        .map(|(pointer, schema)| PageSource { schema: schema.clone(), outline: document.outline(pointer) })
        .collect();
    let (form, found) = schema::read(sources);
    let fatal = found.iter().any(|finding| finding.fatal);
    reading.schema(found, |finding| {
        let (page, _) = pages.get(finding.page)?;
        document.line(&format!("{page}{}", finding.pointer))
    });
    (!fatal).then_some(form)
}

/// The rules beside the template, checked against its form; `None` when they cannot be read.
fn rules_beside(reading: &mut Reading<'_>, form: &FormSchema) -> Option<Rules> {
    let file = reading.file.with_file_name(format!("{}{SIDE_FILE}", stem(reading.file)));
    let mut beside = Reading { file: &file, platform: reading.platform, findings: &mut *reading.findings };
    let rules = match std::fs::read_to_string(&file) {
        Ok(text) => parse_yaml(&file, &text, 1, beside.findings)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => RulesFile::default(),
        Err(error) => {
            beside.error(None, format!("cannot be read: {error}"), "it must be a UTF-8 text file");
            return None;
        }
    };
    Some(beside.rules(rules, form))
}
