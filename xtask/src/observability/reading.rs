//! What the rules, the dashboards and the code say, read from their lines: a rule begins with
//! `- alert:` or `- record:`, its expression is what stands behind `expr:`, or deeper than that
//! below it; a dashboard's is on one line, and so is each question of a runbook. There is no
//! reader of YAML or of PromQL here, because files that are written in one way need none.

use std::collections::BTreeSet;

/// Words of PromQL that stand before labels in parentheses.
const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Its words that need not stand before a parenthesis, and so look like a metric.
const KEYWORDS: &[&str] = &[
    "and", "or", "unless", "offset", "bool", "sum", "min", "max", "avg", "count", "group", "topk",
    "bottomk", "quantile", "stddev", "stdvar",
];

/// A rule, as its lines say.
#[derive(Default)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) is_alert: bool,
    pub(super) expression: String,
    pub(super) text: String,
}

/// The series that a source makes.
pub(super) fn series_in(text: &str) -> BTreeSet<String> {
    let kinds: [(&str, &[&str]); 3] =
        [("counter!(", &[""]), ("gauge!(", &[""]), ("histogram!(", &["_bucket", "_sum", "_count"])];
    let mut series = BTreeSet::new();
    for (made, endings) in kinds {
        for after in text.split(made).skip(1) {
            let quoted = after.trim_start().strip_prefix('"');
            if let Some(name) = quoted.and_then(|name| name.split('"').next()) {
                series.extend(endings.iter().map(|ending| format!("{name}{ending}")));
            }
        }
    }
    series
}

/// The rules of a file, in their order.
pub(super) fn rules_of(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    // How far `expr:` is indented, while its lines go on.
    let mut expr_indent = None;
    for line in text.lines() {
        let said = line.trim();
        if said.starts_with('#') {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        for (start, is_alert) in [("- alert: ", true), ("- record: ", false)] {
            if let Some(name) = said.strip_prefix(start) {
                rules.push(Rule { name: name.to_owned(), is_alert, ..Rule::default() });
            }
        }
        let Some(rule) = rules.last_mut() else { continue };
        rule.text.push_str(said);
        rule.text.push('\n');
        if let Some(behind) = said.strip_prefix("expr:") {
            expr_indent = Some(indent);
            rule.expression.push_str(behind.trim().trim_start_matches(['|', '>', '-']));
        } else if expr_indent.is_some_and(|start| indent > start) {
            rule.expression.push(' ');
            rule.expression.push_str(said);
        } else {
            expr_indent = None;
        }
    }
    rules
}

/// The expressions of a dashboard, as they were before they became JSON.
pub(super) fn expressions_of(json: &str) -> impl Iterator<Item = String> {
    json.lines().filter_map(|line| {
        let quoted = line.trim().strip_prefix(r#""expr": ""#)?;
        let inner = quoted.trim_end_matches(',').strip_suffix('"')?;
        Some(inner.replace(r"\n", " ").replace(r#"\""#, "\"").replace(r"\\", r"\"))
    })
}

/// The expressions that a runbook has asked, each on a line of its own.
pub(super) fn questions_of(page: &str) -> impl Iterator<Item = &str> {
    let mut is_question = false;
    page.lines().filter(move |line| {
        if line.starts_with("```") {
            is_question = *line == "```promql";
            return false;
        }
        is_question
    })
}

/// The metrics that an expression names, each with the labels that it is chosen by.
pub(super) fn selectors(expression: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '"' => after_string(rest),
            '[' => after(rest, ']'),
            '{' => {
                let (labels, behind) = matchers(rest);
                if let Some((_, of_metric)) = found.last_mut() {
                    of_metric.extend(labels);
                }
                behind
            }
            c if is_of_word(c) => {
                let (word, behind) = word_of(rest);
                let in_parentheses = behind.trim_start().strip_prefix('(');
                match in_parentheses {
                    Some(labels) if GROUPING.contains(&word) => after(labels, ')'),
                    Some(_) => behind,
                    None if KEYWORDS.contains(&word) || c.is_ascii_digit() => behind,
                    None => {
                        found.push((word, Vec::new()));
                        behind
                    }
                }
            }
            other => &rest[other.len_utf8()..],
        };
    }
    found
}

/// The labels in braces, and what is behind these.
fn matchers(braces: &str) -> (Vec<&str>, &str) {
    let mut labels = Vec::new();
    let mut rest = braces;
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '}' => return (labels, &rest[1..]),
            '"' => after_string(rest),
            c if is_of_word(c) => {
                let (word, behind) = word_of(rest);
                labels.push(word);
                behind
            }
            other => &rest[other.len_utf8()..],
        };
    }
    (labels, rest)
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

fn word_of(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !is_of_word(c)).unwrap_or(text.len()))
}

fn after(text: &str, end: char) -> &str {
    text.split_once(end).map_or("", |(_, behind)| behind)
}

/// What is behind the string that `text` begins with.
fn after_string(text: &str) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_makes_three_series_and_a_counter_one() {
        let code = r#"metrics::histogram!(
                "note_seconds", "kind" => kind)
            metrics::counter!("notes_total").increment(1); metrics::gauge!(NAME)"#;
        let series: Vec<String> = series_in(code).into_iter().collect();
        assert_eq!(
            series,
            ["note_seconds_bucket", "note_seconds_count", "note_seconds_sum", "notes_total"]
        );
    }

    #[test]
    fn a_rule_is_read_with_its_expression() {
        let text = "groups:\n  - name: notes\n    rules:\n\
            \x20     - record: notes:rate5m\n        expr: rate(notes_total[5m])\n\
            \x20     - alert: NotesWait\n        # Why.\n        expr: |\n          a\n            > 1\n\
            \x20       for: 1m\n";
        let rules = rules_of(text);
        let read: Vec<_> = rules
            .iter()
            .map(|rule| (rule.name.as_str(), rule.is_alert, rule.expression.trim()))
            .collect();
        assert_eq!(
            read,
            [("notes:rate5m", false, "rate(notes_total[5m])"), ("NotesWait", true, "a > 1")]
        );
        assert!(rules[1].text.ends_with("for: 1m\n"));
    }

    #[test]
    fn metrics_are_told_from_all_else_that_an_expression_says() {
        let expression = r#"1 - sum by (kind, le) (rate(a_bucket{kind=~"x{\"y", le!="0.5"}[5m:1m]))
            / on (kind) group_left () (b offset 1h unless c:d) > 14.4 * 1e-3"#;
        assert_eq!(
            selectors(expression),
            [("a_bucket", vec!["kind", "le"]), ("b", Vec::new()), ("c:d", Vec::new())]
        );
        assert_eq!(selectors("count(x) or vector(0)"), [("x", Vec::<&str>::new())]);
    }

    #[test]
    fn a_runbooks_questions_are_those_that_are_marked_as_promql() {
        let page = "Look:\n```sh\nloanctl outbox\n```\n```promql\na\nb\n```\nc\n";
        assert_eq!(questions_of(page).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_dashboards_expression_is_what_it_was_before_it_became_json() {
        let json = r#"  "title": "a",
            "expr": "sum(a{b=~\"c(\\\\.0)?\"})\nor d",
            "expr": "e""#;
        let expressions: Vec<String> = expressions_of(json).collect();
        assert_eq!(expressions, [r#"sum(a{b=~"c(\\.0)?"}) or d"#, "e"]);
    }
}
