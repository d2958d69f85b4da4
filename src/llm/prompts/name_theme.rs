//! `prompts/name_theme.md`: a name for what belongs together.

use serde::{Deserialize, Serialize};

use super::{Prompt, bounded, line};
use crate::llm::{ModelError, shape};

/// Longest name, in characters.
const LONGEST: usize = 60;

#[derive(Debug, Clone, Serialize)]
pub struct NameTheme {
    pub texts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ThemeName {
    pub name: String,
}

impl Prompt for NameTheme {
    const NAME: &'static str = "name_theme";
    type Output = ThemeName;

    fn read(&self, said: &str) -> Result<ThemeName, ModelError> {
        let ThemeName { name } = shape::read(said)?;
        let name = line(&name);
        let name = name.trim_matches(['"', '“', '”', '„', '\'', '.']);
        Ok(ThemeName { name: bounded("name", name, LONGEST)? })
    }
}

impl NameTheme {
    pub(super) fn sample() -> Self {
        Self { texts: vec!["builds take 20 minutes".to_owned(), "CI is slow on Mondays".to_owned()] }
    }
}
