//! HTML pages: their main part as Markdown, and the links on them.

use dom_query::Document;
use url::Url;

use crate::clock::Timestamp;

/// What an HTML page says.
#[derive(Debug)]
pub struct HtmlPage {
    pub title: Option<String>,
    pub markdown: String,
    pub modified_at: Option<Timestamp>,
}

/// Where documentation generators put the text, most telling first.
const MAIN: [&str; 8] =
    ["main article", "article", "[role=main]", "main", "#main-content", "#content", ".content", "body"];
/// What is never part of the text.
const FURNITURE: &str = "script, style, noscript, template, svg, iframe, form, nav, header nav, footer, aside, \
     [role=navigation], [role=search], [aria-hidden=true], .toc, .sidebar, .breadcrumbs, .breadcrumb, .headerlink, \
     .md-source-file, .edit-page, .skip-link";

/// The main part of a page as Markdown.
///
/// # Errors
/// When there is no text in it.
pub fn to_markdown(html: &str) -> Result<HtmlPage, String> {
    let document = Document::from(html);
    let heading = document.select("h1").first().text().trim().to_owned();
    let title = document.select("title").first().text().trim().to_owned();
    let modified_at = ["meta[property='article:modified_time']", "meta[name='last-modified']", "meta[name=date]"]
        .iter()
        .find_map(|selector| document.select(selector).first().attr("content"))
        .and_then(|text| text.get(..10)?.parse::<jiff::civil::Date>().ok())
        .map(Timestamp::from_date);
    document.select(FURNITURE).remove();
    let main = MAIN
        .iter()
        .map(|selector| document.select(selector).first())
        .find(|selection| selection.text().split_whitespace().nth(4).is_some())
        .ok_or_else(|| "has no text".to_owned())?;
    let markdown = htmd::convert(&main.html()).map_err(|error| format!("cannot be read as HTML: {error}"))?;
    let title = [heading, title].into_iter().map(|text| tidy_title(&text)).find(|text| !text.is_empty());
    Ok(HtmlPage { title, markdown, modified_at })
}

fn tidy_title(text: &str) -> String {
    text.trim_end_matches(['¶', '#']).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Links of a page, absolute, without fragments.
pub fn links(html: &str, base: &Url) -> Vec<Url> {
    let document = Document::from(html);
    let mut links: Vec<Url> = document
        .select("a[href]")
        .iter()
        .filter_map(|link| base.join(&link.attr("href")?).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|mut url| {
            url.set_fragment(None);
            url
        })
        .collect();
    links.sort();
    links.dedup();
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_part_is_kept() {
        let page = to_markdown(
            "<html><head><title>T | Docs</title></head><body><nav>Menu one two three four</nav>\
             <main><h1>How to deploy¶</h1><p>Run the <code>deploy</code> command once a day.</p>\
             <pre><code class=\"language-sh\">deploy now</code></pre></main><footer>foot</footer></body></html>",
        )
        .unwrap();
        assert_eq!(page.title.as_deref(), Some("How to deploy"));
        assert!(page.markdown.contains("Run the `deploy` command"), "{}", page.markdown);
        assert!(page.markdown.contains("deploy now"), "{}", page.markdown);
        assert!(!page.markdown.contains("Menu"), "{}", page.markdown);
        assert!(to_markdown("<p></p>").is_err());
    }

    #[test]
    fn links_are_absolute() {
        let base = Url::parse("https://d.example/docs/a/").unwrap();
        let links = links("<a href='../b#x'>b</a><a href='mailto:x@y'>m</a><a href='/c'>c</a>", &base);
        assert_eq!(
            links.iter().map(Url::as_str).collect::<Vec<_>>(),
            ["https://d.example/c", "https://d.example/docs/b"]
        );
    }
}
