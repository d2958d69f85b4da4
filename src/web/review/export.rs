//! A whole list as a file, written while it is read: CSV (RFC 4180) or JSON, with the filters of its page.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::header,
    response::{IntoResponse as _, Response},
};
use serde_json::Value as Json;

use super::{
    lists::List,
    visit::{Needs, Refusal, Stay, Visit},
};
use crate::store::lists::{Cursor, Page};

/// Rows that are read at once.
const CHUNK: u32 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// `questions.csv`, `requests.json` and so on.
pub async fn file(visit: Visit, Path((platform, file)): Path<(String, String)>) -> Result<Response, Refusal> {
    let needs = if file.starts_with("audit") { Needs::Working } else { Needs::Reading };
    let stay = visit.at(&platform, needs)?;
    let (name, format) = match file.rsplit_once('.') {
        Some((name, "csv")) => (name, Format::Csv),
        Some((name, "json")) => (name, Format::Json),
        _ => return Err(stay.visit.missing()),
    };
    let list = List::named(name, &stay.visit.params).ok_or_else(|| stay.visit.missing())?;
    let span = stay.visit.params.span(&stay.zone).map_err(|failure| stay.visit.refused(failure))?;
    let kind = match format {
        Format::Csv => "text/csv; charset=utf-8; header=present",
        Format::Json => "application/json",
    };
    let disposition = format!("attachment; filename=\"{platform}-{file}\"");
    let body = async_stream::stream! {
        yield Ok::<_, Infallible>(begin(&list, format));
        let (mut after, mut first) = (Cursor::FIRST, true);
        loop {
            let page = Page { after, limit: CHUNK };
            let rows = match read(&stay, &list, span, page).await {
                Ok(rows) => rows,
                Err(error) => {
                    // The file ends in the middle of a row, so that nobody takes it for whole.
                    tracing::error!(error = format!("{error:#}"), "An export was cut off.");
                    break;
                }
            };
            let Some((last, _)) = rows.last() else {
                yield Ok(end(format));
                break;
            };
            after = *last;
            yield Ok(text(&list, format, &rows, first));
            first = false;
        }
    };
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn read(
    stay: &Stay,
    list: &List,
    span: crate::store::lists::Span,
    page: Page,
) -> anyhow::Result<Vec<(Cursor, Json)>> {
    list.page(&stay.reader(), span, page).await
}

fn begin(list: &List, format: Format) -> Bytes {
    match format {
        Format::Csv => csv(std::iter::once(list.columns().iter().map(|name| (*name).to_owned()).collect())),
        Format::Json => Bytes::from_static(b"["),
    }
}

fn end(format: Format) -> Bytes {
    match format {
        Format::Csv => Bytes::new(),
        Format::Json => Bytes::from_static(b"]\n"),
    }
}

fn text(list: &List, format: Format, rows: &[(Cursor, Json)], first: bool) -> Bytes {
    match format {
        Format::Csv => {
            let cells = |row: &Json| list.columns().iter().map(|column| cell(&row[*column])).collect();
            csv(rows.iter().map(|(_, row)| cells(row)))
        }
        Format::Json => {
            let rows: Vec<String> = rows.iter().map(|(_, row)| row.to_string()).collect();
            let comma = if first { "\n" } else { ",\n" };
            Bytes::from(format!("{comma}{}", rows.join(",\n")))
        }
    }
}

fn csv(records: impl Iterator<Item = Vec<String>>) -> Bytes {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for record in records {
        writer.write_record(&record).expect("a list in memory takes every record of its width");
    }
    Bytes::from(writer.into_inner().expect("a list in memory is always written"))
}

/// A value as a cell. Programs that calculate take a text that begins with one of these signs for a formula
/// (OWASP, "CSV Injection"): an apostrophe before it makes it a text again.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => format!("'{text}"),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_no_formulas() {
        #[track_caller]
        fn check(value: &Json, expected: &str) {
            assert_eq!(cell(value), expected);
        }
        check(&json!(null), "");
        check(&json!("=1+1"), "'=1+1");
        check(&json!("@SUM(A1)"), "'@SUM(A1)");
        check(&json!("\t=1"), "'\t=1");
        check(&json!("-5 degrees"), "'-5 degrees");
        check(&json!(-5), "-5");
        check(&json!(true), "true");
        check(&json!("a = b"), "a = b");
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_the_file(rows in proptest::collection::vec(
            proptest::collection::vec("\\PC*[\"\r\n,;]?\\PC*", 3), 1..6)) {
            let bytes = csv(rows.iter().cloned());
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
            let back: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(back, rows);
        }
    }
}
