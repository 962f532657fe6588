//! Texts that people write: what they may hold, in every service alike.
//!
//! What stands in such a text is shown to somebody else: an officer's screen, a
//! message, a log. So it holds nothing that cannot be seen or that makes other text
//! look different from what it is. Whoever needs a stricter rule adds it.

/// A text of one line, of `1..=chars_max` characters that a person can read.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_line(text: &str, chars_max: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be empty".to_owned());
    }
    check_length(text, chars_max)?;
    if text.chars().any(char::is_control) {
        return Err("must not have control characters".to_owned());
    }
    check_seen(text)
}

/// A text of any lines, of at most `chars_max` characters that a person can read.
///
/// # Errors
/// What is wrong with it, for the person who sent it.
pub fn check_paragraph(text: &str, chars_max: usize) -> Result<(), String> {
    check_length(text, chars_max)?;
    if text.chars().any(|one| one.is_control() && !"\n\r\t".contains(one)) {
        return Err("must have no control characters but line breaks and tabs".to_owned());
    }
    check_seen(text)
}

fn check_length(text: &str, chars_max: usize) -> Result<(), String> {
    // Counted lazily: the text may be as long as a body may be.
    if text.chars().nth(chars_max).is_some() {
        return Err(format!("must have at most {chars_max} characters"));
    }
    Ok(())
}

fn check_seen(text: &str) -> Result<(), String> {
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(one) = rest.next() {
        let after = rest.peek().copied();
        if is_unseen(one) && !is_part_of_a_picture(before, one, after) {
            return Err("must not have characters that are not seen, or that change the \
                        direction of what is read"
                .to_owned());
        }
        before = Some(one);
    }
    Ok(())
}

/// Characters that show nothing of themselves, or are for no text of people: fillers,
/// joiners, marks of direction, separators of lines, tags, private and none at all.
fn is_unseen(one: char) -> bool {
    matches!(one,
        '\u{ad}' | '\u{34f}' | '\u{61c}'
        // Fillers of Hangul, among them those that look like a space.
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Spaces without width, joiners, marks, embeddings, overrides and isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Selectors of another look.
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        // For private use, and of no use ever.
        | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}' | '\u{fdd0}'..='\u{fdef}'
    ) || u32::from(one) & 0xfffe == 0xfffe
}

/// `❤️`, `1️⃣` and `👩‍💻` hold a selector or a joiner, and telephones write them. Between
/// letters, where they would make two texts of one look, they are not taken: names in
/// Korean and in English have none.
fn is_part_of_a_picture(before: Option<char>, one: char, after: Option<char>) -> bool {
    match (before, one, after) {
        (Some('0'..='9' | '#' | '*'), '\u{fe0f}', Some('\u{20e3}')) => true,
        (Some(before), '\u{fe0f}', _) => is_picture(before),
        (Some(before), '\u{200d}', Some(after)) => {
            (before == '\u{fe0f}' || is_picture(before)) && is_picture(after)
        }
        _ => false,
    }
}

fn is_picture(one: char) -> bool {
    matches!(one,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2190}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{1f000}'..='\u{1faff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_bounded_in_characters_and_readable() {
        for good in
            ["Deposit", "전세자금", "a", &"가".repeat(100), "a b", "유은상 \"의\" 대출", "e\u{301}"]
        {
            assert_eq!(check_line(good, 100), Ok(()), "{good}");
        }
        for bad in ["", " ", "\u{3000}", "a\0b", "a\nb", "\u{85}x", "\u{7f}", &"가".repeat(101)] {
            assert!(check_line(bad, 100).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_paragraph_has_lines_and_may_be_empty() {
        for good in ["", "\n", "첫째 줄\r\n둘째 줄\t끝"] {
            assert_eq!(check_paragraph(good, 100), Ok(()), "{good}");
        }
        for bad in ["a\0b", "\u{1b}[31m", "\u{7f}", &"가".repeat(101)] {
            assert!(check_paragraph(bad, 100).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_taken_that_is_not_seen_or_turns_the_text_around() {
        for hidden in [
            "\u{ad}",
            "\u{34f}",
            "\u{61c}",
            "\u{115f}",
            "\u{1160}",
            "\u{3164}",
            "\u{ffa0}",
            "\u{180e}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{2028}",
            "\u{2029}",
            "\u{202a}",
            "\u{202b}",
            "\u{202c}",
            "\u{202d}",
            "\u{202e}",
            "\u{2060}",
            "\u{2063}",
            "\u{2066}",
            "\u{2067}",
            "\u{2068}",
            "\u{2069}",
            "\u{206f}",
            "\u{fe00}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{fff9}",
            "\u{e0041}",
            "\u{e0100}",
            "\u{e000}",
            "\u{fdd0}",
            "\u{fffe}",
            "\u{1ffff}",
            "\u{10ffff}",
        ] {
            for text in [
                format!("유{hidden}은상"),
                format!("a{hidden}b"),
                format!("{hidden}abc"),
                format!("abc{hidden}"),
            ] {
                assert!(check_line(&text, 100).is_err(), "{text:?}");
                assert!(check_paragraph(&text, 100).is_err(), "{text:?}");
            }
        }
    }

    #[test]
    fn pictures_are_taken_as_telephones_write_them() {
        for good in ["❤️", "👩‍💻 일", "👨‍👩‍👧 우리 집", "🏳️‍🌈", "1️⃣ 번", "🏦🇰🇷", "👍🏽"]
        {
            assert_eq!(check_line(good, 100), Ok(()), "{good:?}");
        }
        for bad in [
            "👩\u{200d}",
            "\u{200d}👩",
            "👩\u{200d}a",
            "a\u{200d}👩",
            "❤\u{fe0f}\u{fe0f}",
            "1\u{fe0f}",
            "“\u{fe0f}",
            "👩\u{200d}\u{200d}💻",
        ] {
            assert!(check_line(bad, 100).is_err(), "{bad:?}");
        }
    }
}
