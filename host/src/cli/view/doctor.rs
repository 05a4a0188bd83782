//! What was found wrong with a home.

use super::text::{counted, one_line};
use crate::cli::offline::diagnosis::{Finding, Level};

/// A line for each thing that was looked at, with what to do below, and a verdict.
pub(in crate::cli) fn findings(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or(0);
    let lines: String = findings.iter().map(|finding| line(finding, width)).collect();
    let count = |level| findings.iter().filter(|finding| finding.level == level).count() as u64;
    let verdict = match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, warnings) => counted(warnings, "warning"),
        (failures, warnings) => format!(
            "{}, {}",
            counted(failures, "failure"),
            counted(warnings, "warning")
        ),
    };
    format!("{lines}\n{verdict}\n")
}

fn line(finding: &Finding, width: usize) -> String {
    let level = match finding.level {
        Level::Ok => "ok",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    let said = format!(
        "{level:<4}  {:<width$}  {}\n",
        finding.check,
        one_line(&finding.message)
    );
    match &finding.hint {
        Some(hint) => format!(
            "{said}{:indent$}hint: {}\n",
            "",
            one_line(hint),
            indent = width + 8
        ),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_how_bad_it_is_and_what_to_do() {
        let finding = |level, check, message: &str, hint: Option<&str>| Finding {
            level,
            check,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        };
        let all = vec![
            finding(Level::Ok, "home", "`/k` is its owner's alone", None),
            finding(
                Level::Fail,
                "plugins",
                "`x.so`: not an ELF file",
                Some("build it"),
            ),
            finding(Level::Warn, "tenants", "nobody speaks", Some("choose somebody")),
        ];
        insta::assert_snapshot!(findings(&all), @r"
        ok    home     `/k` is its owner's alone
        fail  plugins  `x.so`: not an ELF file
                       hint: build it
        warn  tenants  nobody speaks
                       hint: choose somebody

        1 failure, 1 warning
        ");
        assert!(findings(&all[..1]).ends_with("\nnothing is wrong\n"));
    }
}
