//! What was measured, held against its budget, and how it is shown.

use serde_json::{Value, json};

/// One figure beside the one that it is held against.
#[derive(Debug, Clone)]
pub struct Row {
    /// `bench/row`.
    pub bench: &'static str,
    /// Ours, in `unit`; not a number if it could not be measured.
    pub ours: f64,
    /// What the other figure is of.
    pub against: &'static str,
    /// The other figure, in `unit`; absent if it could not be measured.
    pub theirs: Option<f64>,
    /// Of both.
    pub unit: &'static str,
    /// What the ratio must be; absent for what is only told.
    pub budget: Option<Budget>,
}

/// What ours divided by theirs must be.
#[derive(Debug, Clone, Copy)]
pub enum Budget {
    /// This or less: for times and sizes.
    AtMost(f64),
    /// This or more: for rates.
    AtLeast(f64),
}

/// What `against` says where a figure is held against a fixed one.
const LIMIT: &str = "the limit";

impl Row {
    /// Ours beside theirs, in the order (ours, theirs). What could not be measured is not a number.
    pub fn new(
        bench: &'static str,
        unit: &'static str,
        (ours, theirs): (f64, f64),
        against: &'static str,
    ) -> Self {
        Self {
            bench,
            ours,
            against,
            theirs: Some(theirs).filter(|theirs| !theirs.is_nan()),
            unit,
            budget: None,
        }
    }

    /// Ours, which must not be more than `limit`.
    pub fn limited(bench: &'static str, unit: &'static str, ours: f64, limit: f64) -> Self {
        Self::new(bench, unit, (ours, limit), LIMIT).budget(Budget::AtMost(1.0))
    }

    /// The same with a budget.
    #[must_use]
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Ours divided by theirs.
    pub fn ratio(&self) -> Option<f64> {
        self.theirs
            .filter(|theirs| *theirs != 0.0 && !self.ours.is_nan())
            .map(|theirs| self.ours / theirs)
    }

    /// Whether the budget holds; nothing if there is none, or nothing to hold it against.
    pub fn holds(&self) -> Option<bool> {
        let ratio = self.ratio()?;
        Some(match self.budget? {
            Budget::AtMost(most) => ratio <= most,
            Budget::AtLeast(least) => ratio >= least,
        })
    }

    /// For programs. The budget is of the ratio.
    pub fn json(&self) -> Value {
        json!({
            "bench": self.bench,
            "ours": rounded(self.ours),
            "against": self.against,
            "theirs": self.theirs.map(rounded),
            "unit": self.unit,
            "ratio": self.ratio().map(rounded),
            "budget": self.budget.map(|budget| match budget {
                Budget::AtMost(most) => format!("<= {most}"),
                Budget::AtLeast(least) => format!(">= {least}"),
            }),
            "holds": self.holds(),
        })
    }

    fn cells(&self) -> [String; 8] {
        let sign = |budget: Budget| match budget {
            Budget::AtMost(most) => format!("≤ {most}"),
            Budget::AtLeast(least) => format!("≥ {least}"),
        };
        let verdict = match (self.budget, self.holds()) {
            (None, _) => "",
            (Some(_), None) => "not measured",
            (Some(_), Some(true)) => "holds",
            (Some(_), Some(false)) => "DOES NOT HOLD",
        };
        [
            self.bench.to_owned(),
            figure(self.ours),
            self.theirs.map_or_else(|| "-".to_owned(), figure),
            self.unit.to_owned(),
            self.ratio().map_or_else(|| "-".to_owned(), figure),
            self.budget.map_or_else(String::new, sign),
            verdict.to_owned(),
            self.against.to_owned(),
        ]
    }
}

/// Four digits: more are never the same twice.
fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return figure;
    }
    let scale = 10_f64.powf(3.0 - figure.abs().log10().floor());
    (figure * scale).round() / scale
}

fn figure(figure: f64) -> String {
    if figure.is_nan() {
        return "-".to_owned();
    }
    let digits = match figure.abs() {
        1000.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{figure:.digits$}")
}

/// The rows under their headings, aligned.
pub fn table(rows: &[Row]) -> String {
    const HEADINGS: [&str; 8] = [
        "bench", "ours", "theirs", "unit", "ratio", "budget", "", "against",
    ];
    /// Which of them are numbers, and stand at the right.
    const NUMBERS: [bool; 8] = [false, true, true, false, true, true, false, false];
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).zip(NUMBERS);
        let cells: Vec<String> = cells
            .map(|((cell, width), is_number)| match is_number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            })
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
