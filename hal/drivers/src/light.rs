// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lamps and buzzer of the panel: what each signal looks and sounds like, and the lines that show
//! it. No signal is told by colour alone: blink rhythms and tones differ for all of them.
//!
//! The lamps may be three or one of three colours. Blue is only ever lit together with another lamp,
//! so that a panel without it shows the same rhythms; it makes green turquoise and red purple.

use embedded_hal::digital::OutputPin;
use platen_hal::PanelSignal;
use thiserror::Error;

use crate::pin::NoPin;

/// All patterns change only at multiples of this.
pub const GRID_MS: u32 = 10;
/// No pattern stays the same for longer than this, unless it never changes again.
const STEADY_MS: u32 = 4_000;

/// What is on.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lamps {
    /// Red lamp.
    pub red: bool,
    /// Green lamp.
    pub green: bool,
    /// Blue lamp.
    pub blue: bool,
    /// Buzzer.
    pub buzzer: bool,
}

/// A lamp's rhythm: lit for `on_ms`, from `phase_ms` on, in every `period_ms`.
#[derive(Clone, Copy)]
struct Rhythm {
    on_ms: u32,
    period_ms: u32,
    phase_ms: u32,
}

const DARK: Rhythm = rhythm(0, 1_000, 0);
const LIT: Rhythm = rhythm(1_000, 1_000, 0);

const fn rhythm(on_ms: u32, period_ms: u32, phase_ms: u32) -> Rhythm {
    Rhythm {
        on_ms,
        period_ms,
        phase_ms,
    }
}

impl Rhythm {
    fn is_on(self, elapsed_ms: u32) -> bool {
        (elapsed_ms + self.period_ms - self.phase_ms) % self.period_ms < self.on_ms
    }
}

/// Tone and silence in turn, in milliseconds, tone first; then silence.
type Tune = &'static [u32];

/// What the signals look and sound like.
#[derive(Clone, Copy, Debug)]
pub struct Patterns;

impl Patterns {
    /// What is on, `elapsed_ms` after the signal was given (wraps after 49 days).
    #[must_use]
    pub fn at(signal: PanelSignal, elapsed_ms: u32) -> Lamps {
        let (red, green, tune, repeat_ms) = Self::of(signal);
        let tune_ms = repeat_ms.map_or(elapsed_ms, |period| elapsed_ms % period);
        Lamps {
            red: red.is_on(elapsed_ms),
            green: green.is_on(elapsed_ms),
            blue: Self::with_blue(signal) && (red.is_on(elapsed_ms) || green.is_on(elapsed_ms)),
            buzzer: sounds(tune, tune_ms),
        }
    }

    /// Milliseconds from `elapsed_ms` to the next change, `None` when there is none any more.
    #[must_use]
    pub fn next_change_ms(signal: PanelSignal, elapsed_ms: u32) -> Option<u32> {
        let now = Self::at(signal, elapsed_ms);
        let past_grid = elapsed_ms % GRID_MS;
        (1..=STEADY_MS / GRID_MS)
            .map(|step| step * GRID_MS - past_grid)
            .find(|ahead| Self::at(signal, elapsed_ms.wrapping_add(*ahead)) != now)
    }

    /// Whether blue joins in: what a person should act on differently looks different, too.
    fn with_blue(signal: PanelSignal) -> bool {
        matches!(
            signal,
            PanelSignal::NoJobs | PanelSignal::UnknownCard | PanelSignal::Identify
        )
    }

    /// Red, green, tune, and after how long the tune comes again.
    fn of(signal: PanelSignal) -> (Rhythm, Rhythm, Tune, Option<u32>) {
        match signal {
            PanelSignal::Idle => (DARK, LIT, &[], None),
            PanelSignal::Accepted => (DARK, rhythm(100, 200, 0), &[120], None),
            PanelSignal::NoJobs => (DARK, rhythm(800, 1_200, 0), &[80, 80, 80], None),
            PanelSignal::UnknownCard => (rhythm(150, 300, 0), DARK, &[80, 80, 80, 80, 80], None),
            PanelSignal::Refused => (LIT, DARK, &[700], None),
            PanelSignal::PrinterError => (rhythm(300, 1_500, 0), DARK, &[400, 100, 80], None),
            PanelSignal::ReaderGone => (
                rhythm(500, 1_000, 0),
                rhythm(500, 1_000, 500),
                &[300, 200, 300],
                None,
            ),
            PanelSignal::Interrupted => (
                rhythm(200, 800, 0),
                rhythm(200, 800, 0),
                &[80, 100, 400],
                None,
            ),
            PanelSignal::Identify => (
                rhythm(120, 240, 0),
                rhythm(120, 240, 120),
                &[60],
                Some(1_000),
            ),
        }
    }
}

fn sounds(tune: Tune, elapsed_ms: u32) -> bool {
    let mut end = 0;
    let playing = tune.iter().position(|part| {
        end += part;
        elapsed_ms < end
    });
    playing.is_some_and(|part| part % 2 == 0)
}

/// A line could not be driven.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("panel line {line} can't be driven")]
pub struct LightError {
    /// `red`, `green`, `blue` or `buzzer`.
    pub line: &'static str,
}

/// The lines. High means on; a board that wires them the other way sets `active_low` in its board
/// file, and the line driver turns it round.
#[derive(Debug)]
pub struct Lights<R, G, Z, B = NoPin> {
    red: R,
    green: G,
    blue: B,
    buzzer: Z,
}

impl<R: OutputPin, G: OutputPin, Z: OutputPin> Lights<R, G, Z> {
    /// Takes the lines as they are; [`NoPin`] for one that is missing.
    #[must_use]
    pub fn new(red: R, green: G, buzzer: Z) -> Self {
        Lights::with_blue(red, green, NoPin, buzzer)
    }
}

impl<R: OutputPin, G: OutputPin, Z: OutputPin, B: OutputPin> Lights<R, G, Z, B> {
    /// The same with a blue lamp.
    #[must_use]
    pub fn with_blue(red: R, green: G, blue: B, buzzer: Z) -> Self {
        Self {
            red,
            green,
            blue,
            buzzer,
        }
    }

    /// Drives all lines, also when one of them fails.
    ///
    /// # Errors
    /// [`LightError`] with the first line that failed.
    pub fn show(&mut self, lamps: Lamps) -> Result<(), LightError> {
        let red = drive(&mut self.red, lamps.red, "red");
        let green = drive(&mut self.green, lamps.green, "green");
        let blue = drive(&mut self.blue, lamps.blue, "blue");
        let buzzer = drive(&mut self.buzzer, lamps.buzzer, "buzzer");
        red.and(green).and(blue).and(buzzer)
    }
}

fn drive(pin: &mut impl OutputPin, on: bool, line: &'static str) -> Result<(), LightError> {
    pin.set_state(on.into()).map_err(|_| LightError { line })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALL: [PanelSignal; 9] = [
        PanelSignal::Idle,
        PanelSignal::Accepted,
        PanelSignal::NoJobs,
        PanelSignal::UnknownCard,
        PanelSignal::Refused,
        PanelSignal::PrinterError,
        PanelSignal::ReaderGone,
        PanelSignal::Interrupted,
        PanelSignal::Identify,
    ];

    fn film(signal: PanelSignal, part: fn(Lamps) -> bool) -> Vec<bool> {
        film_of(signal, part)
    }

    fn film_of<T>(signal: PanelSignal, part: fn(Lamps) -> T) -> Vec<T> {
        (0..10_000)
            .step_by(10)
            .map(|ms| part(Patterns::at(signal, ms)))
            .collect()
    }

    #[test]
    fn each_signal_has_its_own_tune() {
        let tunes: HashSet<_> = ALL.map(|s| film(s, |lamps| lamps.buzzer)).into();
        assert_eq!(tunes.len(), ALL.len());
    }

    #[test]
    fn signals_differ_also_for_someone_who_sees_no_colours() {
        let seen: HashSet<_> = ALL
            .map(|s| {
                let any = film(s, |lamps| lamps.red || lamps.green);
                let both = film(s, |lamps| lamps.red && lamps.green);
                let sound = film(s, |lamps| lamps.buzzer);
                (any, both, sound)
            })
            .into();
        assert_eq!(seen.len(), ALL.len());
    }

    #[test]
    fn blue_only_joins_in_and_some_signals_have_it() {
        for signal in ALL {
            let with = film(signal, |lamps| lamps.blue);
            let others = film(signal, |lamps| lamps.red || lamps.green);
            let alone = with.iter().zip(&others).any(|(blue, any)| *blue && !any);
            assert!(!alone, "{signal:?}");
        }
        let blue = ALL.map(|signal| film(signal, |lamps| lamps.blue).contains(&true));
        assert_eq!(blue.iter().filter(|blue| **blue).count(), 3);
    }

    #[test]
    fn signals_with_lamps_in_one_rhythm_have_another_colour() {
        let colours: HashSet<_> = ALL
            .map(|s| film_of(s, |lamps| (lamps.red, lamps.green, lamps.blue)))
            .into();
        assert_eq!(colours.len(), ALL.len());
    }

    #[test]
    fn a_blue_line_is_driven_and_named_when_it_fails() {
        let mut lights = Lights::with_blue(NoPin, NoPin, Broken, NoPin);
        let error = lights.show(Patterns::at(PanelSignal::NoJobs, 0));
        assert_eq!(error, Err(LightError { line: "blue" }));
    }

    /// A line that can't be driven.
    struct Broken;

    impl embedded_hal::digital::ErrorType for Broken {
        type Error = embedded_hal::digital::ErrorKind;
    }

    impl OutputPin for Broken {
        fn set_low(&mut self) -> Result<(), Self::Error> {
            Err(embedded_hal::digital::ErrorKind::Other)
        }

        fn set_high(&mut self) -> Result<(), Self::Error> {
            Err(embedded_hal::digital::ErrorKind::Other)
        }
    }

    #[test]
    fn only_identify_goes_on_sounding() {
        for signal in ALL {
            let late = (5_000..8_000).any(|ms| Patterns::at(signal, ms).buzzer);
            assert_eq!(late, signal == PanelSignal::Identify, "{signal:?}");
        }
    }

    #[test]
    fn stepping_by_next_change_shows_every_change() {
        for signal in ALL {
            let (mut at, mut stepped) = (0, vec![(0, Patterns::at(signal, 0))]);
            while let Some(ahead) = Patterns::next_change_ms(signal, at) {
                at += ahead;
                if at >= 5_000 {
                    break;
                }
                stepped.push((at, Patterns::at(signal, at)));
            }
            let mut seen = vec![(0, Patterns::at(signal, 0))];
            for ms in 1..5_000 {
                let lamps = Patterns::at(signal, ms);
                if seen.last().is_some_and(|(_, last)| *last != lamps) {
                    seen.push((ms, lamps));
                }
            }
            assert_eq!(stepped, seen, "{signal:?}");
        }
    }

    #[test]
    fn a_steady_signal_needs_no_steps() {
        assert_eq!(Patterns::next_change_ms(PanelSignal::Idle, 0), None);
        assert_eq!(Patterns::next_change_ms(PanelSignal::Refused, 5), Some(695));
        assert_eq!(Patterns::next_change_ms(PanelSignal::Refused, 700), None);
    }
}
