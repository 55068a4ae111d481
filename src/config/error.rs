//! What is wrong with a configuration, and where: file, line, column, key path, Prometheus's words.

use std::fmt;

use super::yaml::SyntaxError;

/// What sort of mistake a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The text is no YAML.
    Syntax,
    /// The YAML does not have the expected shape: unknown or repeated key, wrong type.
    Shape,
    /// A value breaks a rule.
    Rule,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Sort of mistake.
    pub kind: ProblemKind,
    /// Line, counted from 1; 0 when the mistake has no place.
    pub line: usize,
    /// Column, counted from 1; 0 when the mistake has no place.
    pub column: usize,
    /// Keys and indices that lead there, like `scrape_configs[0].scrape_interval`; may be empty.
    pub path: String,
    /// What is wrong, in Prometheus's words where it has some.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// One or more mistakes of one file, in the order they were found. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The mistakes collected, or nothing if there are none.
    ///
    /// # Errors
    /// The mistakes, if there are any.
    pub fn check(problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    /// The mistakes.
    #[must_use]
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }

    /// The mistakes in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl From<SyntaxError> for Problems {
    fn from(error: SyntaxError) -> Problems {
        Problems::from(Problem {
            kind: ProblemKind::Syntax,
            line: error.line,
            column: error.column,
            path: String::new(),
            message: error.message,
        })
    }
}

/// A single broken rule stands on one line; a list that holds a wrong shape is headed as go-yaml
/// heads it.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] if one.kind == ProblemKind::Syntax => return write!(f, "yaml: {one}"),
            [one] if one.kind == ProblemKind::Rule => return write!(f, "{one}"),
            all if all.iter().any(|one| one.kind == ProblemKind::Shape) => {
                f.write_str("yaml: unmarshal errors:")?;
            }
            _ => f.write_str("several errors:")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Why a configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("parsing YAML file {file}: {problems}")]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// What is wrong in it.
    pub problems: Problems,
}
