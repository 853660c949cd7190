//! What the figures say of the registered claims.

mod condition;
mod latency;
mod portability;
mod size;

pub(crate) use size::{HISTORY, MB, MIB};

use pillion_records::Claim;

use crate::lanes::Lanes;
use crate::measured::Measured;
use crate::results::{Aa, Part, Verdict, Word};

/// The word of a part that flagged blocks decide.
const UNSTEADY: &str = "unsteady";

/// What a claim's rule found, before the session's state is taken into account.
pub(crate) struct Finding {
    pub(crate) verdict: Word,
    /// The same without flagged blocks.
    pub(crate) without_flagged: Word,
    /// There is a verdict with flagged blocks alone.
    pub(crate) hangs_on_flagged: bool,
    pub(crate) condition: Option<String>,
    pub(crate) estimate: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    pub(crate) finding: String,
    pub(crate) reason: String,
    pub(crate) parts: Vec<Part>,
}

/// A verdict for each registered claim that a rule here can judge; a claim without a rule is inconclusive.
pub(crate) fn judge(measured: &Measured<'_>, lanes: &Lanes<'_>, aa: Option<&Aa>) -> Vec<Verdict> {
    let plan = measured.plan;
    let void = aa.is_some_and(|aa| !aa.contains_one);
    plan.claims
        .iter()
        .map(|claim| {
            let found = match claim.id.as_str() {
                "C1" => latency::judge(measured, lanes, claim.value),
                "C3" => size::judge(&plan.artifacts, claim.value),
                "C7" => portability::judge(&plan.portability, claim.value),
                _ => Finding::nothing("This version has no rule for the claim."),
            };
            // Sizes are counts: a noisy machine does not void them, but one stamp for the whole report is clearer
            // than two, and a void session is measured again anyway.
            let found = if void { found.void() } else { found.steady() };
            verdict(claim, found, !(void || plan.quick || plan.forced || aa.is_none()))
        })
        .collect()
}

fn verdict(claim: &Claim, found: Finding, for_verdicts: bool) -> Verdict {
    Verdict {
        claim: claim.id.clone(),
        words: claim.words.clone(),
        experiment: claim.experiment.clone(),
        threshold: claim.threshold.clone(),
        threshold_value: claim.value,
        fixed_by: claim.fixed_by.clone(),
        verdict: found.verdict,
        verdict_without_flagged: found.without_flagged,
        hangs_on_flagged: found.hangs_on_flagged,
        condition: found.condition,
        for_verdicts,
        estimate: found.estimate,
        low: found.low,
        high: found.high,
        finding: found.finding,
        reason: found.reason,
        caveat: claim.caveat.clone(),
        parts: found.parts,
    }
}

// === impl Finding ===

impl Finding {
    /// No figures to judge by.
    fn nothing(reason: &str) -> Self {
        Self {
            verdict: Word::Inconclusive,
            without_flagged: Word::Inconclusive,
            hangs_on_flagged: false,
            condition: None,
            estimate: None,
            low: None,
            high: None,
            finding: "Nothing was measured.".to_owned(),
            reason: reason.to_owned(),
            parts: Vec::new(),
        }
    }

    /// The same figures, but no verdict.
    fn void(self) -> Self {
        Self {
            verdict: Word::None,
            without_flagged: Word::None,
            condition: None,
            reason: "The session is void: the reference lane differs from itself, so no verdict is given."
                .to_owned(),
            ..self
        }
    }

    /// A verdict that depends on flagged blocks is none: where the words differ, and where they agree but
    /// rest on parts that flagged blocks decide.
    fn steady(self) -> Self {
        let why = if self.verdict != self.without_flagged {
            format!(
                "With every block the figures say {}, without flagged blocks {}",
                self.verdict.words(),
                self.without_flagged.words()
            )
        } else if self.rests_on_unsteady_parts() {
            "Flagged blocks decide what it rests on".to_owned()
        } else {
            return self;
        };
        let reason = format!("{why}: a verdict must hold both ways. {}", self.reason);
        // Where only the quiet blocks say something, it is the noise of the others that hides it.
        let hangs_on_flagged =
            self.verdict != Word::Inconclusive || self.without_flagged != Word::Inconclusive;
        Self { verdict: Word::Inconclusive, hangs_on_flagged, condition: None, reason, ..self }
    }

    fn rests_on_unsteady_parts(&self) -> bool {
        let any = |word: &str| self.parts.iter().any(|part| part.word == word);
        match self.verdict {
            Word::Supported | Word::Refuted => any(UNSTEADY),
            Word::SupportedWithCondition => any(UNSTEADY) && !any("clears"),
            Word::Inconclusive | Word::None => false,
        }
    }
}

// === impl Word ===

impl Word {
    /// The word as it is printed.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Refuted => "refuted",
            Self::SupportedWithCondition => "supported with condition",
            Self::Inconclusive => "inconclusive",
            Self::None => "no verdict",
        }
    }

    /// A shape beside the word, so that colour is never the only sign.
    #[must_use]
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Supported => "●",
            Self::Refuted => "✕",
            Self::SupportedWithCondition => "◐",
            Self::Inconclusive => "?",
            Self::None => "∅",
        }
    }
}
