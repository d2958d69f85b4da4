//! What somebody wants of an answer that they already have: shorter, only the command, in another language.

use std::sync::LazyLock;

use regex::Regex;

use crate::llm::prompts::Manner;

static SHORTER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^\W*(?:(?:can|could|would)\s+you\s+|please\s+|and\s+|ok(?:ay)?,?\s+|make\s+(?:it|that)\s+|say\s+(?:it|that)\s+|(?:much\s+)?a\s+(?:bit|little)\s+)*
        (?:shorter|briefer|more\s+briefly|briefly|in\s+short|tl\s*;?\s*dr|too\s+long|shorten\s+(?:it|that|this)|sum(?:mari[sz]e)?\s+(?:it|that|this)(?:\s+up)?|(?:the\s+)?short\s+version|in\s+one\s+sentence|kürzer|kurz)
        (?:\s+(?:version|please|pls|bitte|answer))*\W*$",
    )
    .expect("constant pattern")
});

static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^\W*(?:(?:can|could|would)\s+you\s+|please\s+|and\s+|ok(?:ay)?,?\s+|just\s+|only\s+)*
        (?:(?:show|give|tell|send|paste)\s+(?:me\s+)?|what(?:'s|\s+is|\s+are)\s+|which\s+(?:is|are)\s+)?
        (?:just\s+|only\s+)?(?:the\s+)?(?:exact\s+|actual\s+|full\s+|whole\s+)?(?:commands?|code|snippet|command\s+line)
        (?:\s+(?:for\s+(?:that|this|it)|please|pls|only))*\W*$",
    )
    .expect("constant pattern")
});

static LANGUAGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)^\W*(?:(?:can|could|would)\s+you\s+|please\s+|and\s+|now\s+|ok(?:ay)?,?\s+|(?:show|give|say|write|answer|explain|do|translate|have)\s+|(?:me|it|that|this|the\s+same|the\s+answer|the\s+example|the\s+code|again)\s+|how\s+about\s+|what\s+about\s+|how\s+(?:do\s+i\s+do\s+|would\s+)?(?:that|it|this)\s+(?:look\s+)?)*
        (?:in|to|into|auf|using|with)\s+(?P<language>[\p{L}+\#]{1,20})(?:\s+(?:please|pls|bitte|instead|code))*\W*$",
    )
    .expect("constant pattern")
});

/// Languages that programs and configuration are written in, as code fences name them.
const WRITTEN: [(&str, &[&str]); 24] = [
    ("python", &["python", "py"]),
    ("go", &["go", "golang"]),
    ("java", &["java"]),
    ("kotlin", &["kotlin", "kt", "kts"]),
    ("javascript", &["javascript", "js", "node", "nodejs"]),
    ("typescript", &["typescript", "ts"]),
    ("rust", &["rust", "rs"]),
    ("ruby", &["ruby", "rb"]),
    ("php", &["php"]),
    ("c#", &["c#", "csharp", "cs", "dotnet"]),
    ("c++", &["c++", "cpp"]),
    ("scala", &["scala"]),
    ("swift", &["swift"]),
    ("bash", &["bash", "sh", "shell", "console", "zsh"]),
    ("powershell", &["powershell", "ps1", "pwsh"]),
    ("terraform", &["terraform", "hcl", "tf"]),
    ("yaml", &["yaml", "yml"]),
    ("json", &["json", "jsonc"]),
    ("toml", &["toml"]),
    ("xml", &["xml", "maven"]),
    ("sql", &["sql", "psql", "postgresql", "mysql"]),
    ("curl", &["curl"]),
    ("helm", &["helm"]),
    ("dockerfile", &["dockerfile", "docker"]),
];

const SPOKEN: [&str; 36] = [
    "english",
    "german",
    "deutsch",
    "french",
    "français",
    "spanish",
    "español",
    "italian",
    "italiano",
    "portuguese",
    "português",
    "dutch",
    "nederlands",
    "polish",
    "polski",
    "czech",
    "russian",
    "ukrainian",
    "turkish",
    "arabic",
    "hebrew",
    "hindi",
    "chinese",
    "mandarin",
    "japanese",
    "korean",
    "swedish",
    "norwegian",
    "danish",
    "finnish",
    "greek",
    "romanian",
    "hungarian",
    "vietnamese",
    "englisch",
    "indonesian",
];

/// The manner that a message asks for, when it asks for nothing else.
pub fn wanted(text: &str) -> Option<Manner> {
    let text = text.trim();
    if text.chars().count() > 80 {
        return None;
    }
    if SHORTER.is_match(text) {
        return Some(Manner::Shorter);
    }
    if COMMAND.is_match(text) {
        return Some(Manner::Command);
    }
    let named = LANGUAGE.captures(text)?["language"].to_owned();
    let lower = named.to_lowercase();
    let known = SPOKEN.contains(&lower.as_str()) || written(&lower).is_some();
    known.then_some(Manner::Language(named))
}

/// The names that code fences give a language, when programs or configuration are written in it.
pub fn written(language: &str) -> Option<&'static [&'static str]> {
    let lower = language.to_lowercase();
    WRITTEN.iter().find(|(name, tags)| *name == lower || tags.contains(&lower.as_str())).map(|(_, tags)| *tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_understood() {
        #[track_caller]
        fn check(text: &str, expected: Option<&Manner>) {
            assert_eq!(wanted(text).as_ref(), expected, "{text}");
        }
        let language = |name: &str| Manner::Language(name.to_owned());
        check("shorter", Some(&Manner::Shorter));
        check("Can you make it shorter please?", Some(&Manner::Shorter));
        check("tl;dr?", Some(&Manner::Shorter));
        check("too long", Some(&Manner::Shorter));
        check("show me the command", Some(&Manner::Command));
        check("just the command please", Some(&Manner::Command));
        check("What's the exact command?", Some(&Manner::Command));
        check("in Python", Some(&language("Python")));
        check("and in Go please?", Some(&language("Go")));
        check("Can you show me that in TypeScript?", Some(&language("TypeScript")));
        check("auf Deutsch bitte", Some(&language("Deutsch")));
        check("in production", None);
        check("and in staging?", None);
        check("What is the command to restore a backup?", None);
        check("why is the build shorter on main?", None);
        check("how do I do that in the console?", None);
    }
}
