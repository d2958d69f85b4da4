//! What `platform.yaml` holds, before it is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    super::{hours::HoursFile, services::Backstage},
    digest::DigestFile,
    model::ModelFile,
};
use crate::domain::{message::ChannelMode, people::Role};

/// Ids per chat system.
pub(super) type Ids = BTreeMap<String, Spanned<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlatformFile {
    pub(super) name: Spanned<String>,
    pub(super) summary: String,
    pub(super) owner: Spanned<String>,
    pub(super) support_channel: Spanned<String>,
    pub(super) hours: Option<HoursFile>,
    #[serde(default)]
    pub(super) capabilities: Vec<CapabilityFile>,
    pub(super) channels: Vec<ChannelFile>,
    pub(super) people: Vec<MemberFile>,
    #[serde(default)]
    pub(super) teams: Vec<TeamFile>,
    /// Files of Backstage's catalog that name teams and people, or say who owns what.
    #[serde(default)]
    pub(super) catalog: Vec<PathBuf>,
    pub(super) sources: Vec<SourceFile>,
    pub(super) backstage: Option<Backstage>,
    #[serde(default)]
    pub(super) examples: Vec<String>,
    pub(super) tracker: Option<Spanned<TrackerFile>>,
    pub(super) digest: Option<Spanned<DigestFile>>,
    pub(super) model: Option<ModelFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackerFile {
    pub(super) github: Option<GithubFile>,
    pub(super) jira: Option<JiraFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GithubFile {
    pub(super) repository: Spanned<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JiraFile {
    pub(super) project: Spanned<String>,
    pub(super) issue_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CapabilityFile {
    pub(super) id: Spanned<String>,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) channel: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) keywords: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelFile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) mode: ChannelMode,
    pub(super) audience: Option<Spanned<AudienceFile>>,
    #[serde(default)]
    pub(super) ids: Ids,
    /// May a language model be asked about what is said here?
    pub(super) model: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceFile {
    #[serde(default)]
    pub(super) teams: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) roles: BTreeSet<Role>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberFile {
    pub(super) id: Spanned<String>,
    pub(super) name: String,
    #[serde(default)]
    pub(super) teams: BTreeSet<String>,
    #[serde(default)]
    pub(super) roles: BTreeSet<Role>,
    #[serde(default)]
    pub(super) identities: Ids,
    pub(super) email: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamFile {
    pub(super) id: Spanned<String>,
    #[serde(default)]
    pub(super) groups: Ids,
    pub(super) lead: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceFile {
    pub(super) id: Spanned<String>,
    pub(super) folder: Option<Spanned<String>>,
    pub(super) git: Option<GitFile>,
    pub(super) site: Option<SiteFile>,
    pub(super) base_url: Option<Spanned<String>>,
    pub(super) audience: Option<Spanned<AudienceFile>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GitFile {
    pub(super) url: Spanned<String>,
    pub(super) branch: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) path: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SiteFile {
    pub(super) start: Spanned<String>,
    pub(super) prefix: Option<Spanned<String>>,
    #[serde(default = "default_max_pages")]
    pub(super) max_pages: usize,
}

const fn default_max_pages() -> usize {
    2000
}
