//! `stationmaster digest`: what a week was like, printed or sent.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::{
    app,
    config::Platform,
    domain::digest::IsoWeek,
    ops::{
        Core,
        digest::{self, Made, chart::Picture},
    },
};

/// Print the digest of a week: as it was made, else as it is now
#[derive(Debug, Args)]
pub struct Digest {
    /// Platform; needed only when there are several
    #[arg(long)]
    platform: Option<String>,
    /// As in 2026-W47; otherwise the last week that is over
    #[arg(long)]
    week: Option<IsoWeek>,
    #[arg(long, value_enum, default_value_t = Format::Markdown)]
    format: Format,
    /// Folder to write the pictures into, as PNG
    #[arg(long, value_name = "FOLDER")]
    charts: Option<PathBuf>,
    /// Send it to those whom platform.yaml names, unless it was sent
    #[arg(long)]
    send: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Markdown,
    Html,
    Json,
}

pub async fn run(config: Option<PathBuf>, arguments: Digest) -> anyhow::Result<ExitCode> {
    let (core, _, _) = app::build(config).await?;
    let platform = platform(&core, arguments.platform.as_deref())?;
    let week = arguments.week.unwrap_or_else(|| digest::last_week(&core, &platform));
    if arguments.send {
        let sent = digest::send(&core, &platform, week).await?;
        eprintln!(
            "{}",
            if sent {
                "It goes out at once where Stationmaster runs, else at its next start."
            } else {
                "It was sent before, and is not sent again."
            }
        );
    }
    let made = digest::read(&core, &platform, week).await?;
    let pictures = digest::chart::pictures(&made.facts)?;
    if let Some(folder) = &arguments.charts {
        write(folder, &pictures)?;
    }
    super::out!("{}", text(&core, &made, &pictures, arguments.format, arguments.charts.as_deref())?.trim_end());
    core.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The platform that is meant.
fn platform(core: &Core, id: Option<&str>) -> anyhow::Result<Arc<Platform>> {
    let ids = || core.config.platforms.iter().map(|platform| platform.id.as_str()).collect::<Vec<_>>().join(", ");
    match (id, core.config.platforms.as_slice()) {
        (Some(id), _) => core
            .config
            .platform(id)
            .cloned()
            .with_context(|| format!("there is no platform {id}; there are: {}", ids())),
        (None, [only]) => Ok(Arc::clone(only)),
        (None, _) => anyhow::bail!("say which platform: --platform {}", ids().replace(", ", " or --platform ")),
    }
}

fn write(folder: &Path, pictures: &[Picture]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    for Picture { name, png, .. } in pictures {
        let file = folder.join(name);
        std::fs::write(&file, png).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

fn text(
    core: &Core,
    made: &Made,
    pictures: &[Picture],
    format: Format,
    folder: Option<&Path>,
) -> anyhow::Result<String> {
    let site = core.config.server.public_url();
    let view = made.view(&site);
    Ok(match format {
        Format::Markdown => {
            let beside = |picture: &Picture| {
                Some((picture.alt.clone(), folder?.join(&picture.name).display().to_string().replace(' ', "%20")))
            };
            view.markdown(&pictures.iter().filter_map(beside).collect::<Vec<_>>())
        }
        Format::Html => view.html(pictures),
        Format::Json => serde_json::to_string_pretty(&made.facts)?,
    })
}
