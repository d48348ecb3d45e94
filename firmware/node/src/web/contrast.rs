// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Holds the colours of the style file to their contrast (WCAG 2.2 §1.4.3): text at least 4.5:1 on
//! every ground it stands on, in light and in dark.

use std::collections::HashMap;

const STYLE: &str = include_str!("files/style.css");
const LEAST: f64 = 4.5;

/// The tokens of the light `:root`, then those of the dark one.
fn tokens() -> Vec<HashMap<&'static str, f64>> {
    let roots = STYLE.split(":root {").skip(1);
    roots
        .map(|root| {
            let block = root.split('}').next().unwrap();
            let pairs = block.split(';').filter_map(|pair| pair.split_once(": #"));
            pairs
                .map(|(name, colour)| (name.trim().trim_start_matches("--"), luminance(colour)))
                .collect()
        })
        .collect()
}

/// Relative luminance of `rrggbb`.
fn luminance(colour: &str) -> f64 {
    let part = |at: usize| {
        let value = u8::from_str_radix(&colour[at..at + 2], 16).unwrap();
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

fn contrast(a: f64, b: f64) -> f64 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_stands_out_from_every_ground_in_light_and_dark() {
    let all = tokens();
    assert_eq!(all.len(), 2);
    for tokens in all {
        for text in ["ink", "ink-soft", "accent", "ok", "care", "stop"] {
            for ground in ["paper", "sheet"] {
                let found = contrast(tokens[text], tokens[ground]);
                assert!(found >= LEAST, "{text} on {ground}: {found:.2}");
            }
        }
        for (text, ground) in [("on-accent", "accent"), ("sheet", "stop")] {
            let found = contrast(tokens[text], tokens[ground]);
            assert!(found >= LEAST, "{text} on {ground}: {found:.2}");
        }
    }
}

#[test]
fn contrast_is_reckoned_as_the_standard_has_it() {
    assert!((contrast(luminance("ffffff"), luminance("000000")) - 21.0).abs() < 0.01);
    assert!((contrast(luminance("ffffff"), luminance("767676")) - 4.54).abs() < 0.01);
}
