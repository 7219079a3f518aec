//! The colours of reports, on light and on dark ground.
//!
//! Eight for series: after Okabe and Ito's, which every kind of eye tells apart, darkened or lightened until a thin line
//! has a contrast of 3 to 1 with its ground (WCAG 2.1, 1.4.11).

use super::Paint;

/// What lies behind a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ground {
    /// Paper.
    #[default]
    Light,
    /// A dark screen.
    Dark,
}

/// Red, green, blue.
pub type Rgb = (u8, u8, u8);

/// Colours by meaning.
#[derive(Debug)]
pub struct Palette {
    /// Behind everything.
    pub ground: Rgb,
    /// Words that carry the message.
    pub text: Rgb,
    /// Words that explain it.
    pub muted: Rgb,
    /// Lines that only guide the eye.
    pub grid: Rgb,
    /// Something is wrong.
    pub alert: Rgb,
    /// Something to know.
    pub info: Rgb,
    /// Series, in the order in which they are given out.
    pub series: [Rgb; 8],
}

const fn rgb(hex: u32) -> Rgb {
    ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

static LIGHT: Palette = Palette {
    ground: rgb(0xff_ff_ff),
    text: rgb(0x1d_21_26),
    muted: rgb(0x5c_64_6e),
    grid: rgb(0xe3_e6_ea),
    alert: rgb(0xb4_23_18),
    info: rgb(0x0b_63_a8),
    series: [
        rgb(0x0b_63_a8),
        rgb(0xc4_57_00),
        rgb(0x00_7d_5c),
        rgb(0xb1_4a_84),
        rgb(0x2f_8f_c4),
        rgb(0x9a_72_00),
        rgb(0x5a_3f_a0),
        rgb(0x6b_72_7b),
    ],
};

static DARK: Palette = Palette {
    ground: rgb(0x15_18_1c),
    text: rgb(0xe4_e7_eb),
    muted: rgb(0xa0_a8_b3),
    grid: rgb(0x2c_31_38),
    alert: rgb(0xff_8a_75),
    info: rgb(0x6c_b6_ff),
    series: [
        rgb(0x5a_ad_ee),
        rgb(0xf0_8a_3c),
        rgb(0x2f_bf_92),
        rgb(0xe0_87_b8),
        rgb(0x9a_d7_f7),
        rgb(0xe0_bb_4a),
        rgb(0xa9_94_f0),
        rgb(0x9b_a3_ad),
    ],
};

/// The colours on a ground.
pub fn on(ground: Ground) -> &'static Palette {
    match ground {
        Ground::Light => &LIGHT,
        Ground::Dark => &DARK,
    }
}

impl Palette {
    /// The colour of a paint.
    pub fn of(&self, paint: Paint) -> Rgb {
        match paint {
            Paint::Text => self.text,
            Paint::Muted => self.muted,
            Paint::Grid => self.grid,
            Paint::Series(number) => self.series[number % self.series.len()],
            Paint::Alert => self.alert,
            Paint::Info => self.info,
        }
    }

    /// The colour of a paint where so much of it lies on the ground.
    pub fn mixed(&self, paint: Paint, opacity: f64) -> Rgb {
        let (over, under) = (self.of(paint), self.ground);
        let mix =
            |over: u8, under: u8| (f64::from(under) + (f64::from(over) - f64::from(under)) * opacity).round() as u8;
        (mix(over.0, under.0), mix(over.1, under.1), mix(over.2, under.2))
    }

    /// The same colours as CSS variables: `--text:#1d2126;…`.
    pub fn css(&self) -> String {
        let named = [
            ("ground", self.ground),
            ("text", self.text),
            ("muted", self.muted),
            ("grid", self.grid),
            ("alert", self.alert),
            ("info", self.info),
        ];
        let hex = |(r, g, b): Rgb| format!("#{r:02x}{g:02x}{b:02x}");
        let mut css = String::new();
        for (name, colour) in named {
            css += &format!("--{name}:{};", hex(colour));
        }
        for (number, colour) in self.series.iter().enumerate() {
            css += &format!("--s{number}:{};", hex(*colour));
        }
        css
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(channel: u8) -> f64 {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    }

    /// WCAG 2.1: relative luminance, contrast ratio.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |(r, g, b): Rgb| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn words_and_lines_stand_out_on_both_grounds() {
        for palette in [&LIGHT, &DARK] {
            for words in [palette.text, palette.muted, palette.alert, palette.info] {
                assert!(contrast(words, palette.ground) >= 4.5, "{words:x?}: {}", contrast(words, palette.ground));
            }
            for line in palette.series {
                assert!(contrast(line, palette.ground) >= 3.0, "{line:x?}: {}", contrast(line, palette.ground));
            }
        }
    }

    /// Viénot, Brettel and Mollon (1999), in linear RGB: what is left of a colour without one kind of cone.
    fn seen(colour: Rgb, without: usize) -> [f64; 3] {
        const MATRICES: [[[f64; 3]; 3]; 2] = [
            [[0.112_38, 0.887_62, 0.0], [0.112_38, 0.887_62, 0.0], [0.004_01, -0.004_01, 1.0]],
            [[0.292_75, 0.707_25, 0.0], [0.292_75, 0.707_25, 0.0], [-0.022_34, 0.022_34, 1.0]],
        ];
        let rgb = [linear(colour.0), linear(colour.1), linear(colour.2)];
        let rgb = MATRICES.get(without).map_or(rgb, |matrix| {
            matrix.map(|row| row.iter().zip(rgb).map(|(share, value)| share * value).sum::<f64>().clamp(0.0, 1.0))
        });
        lab(rgb)
    }

    fn lab([r, g, b]: [f64; 3]) -> [f64; 3] {
        let x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505;
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089;
        let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        [116.0 * f(y) - 16.0, 500.0 * (f(x) - f(y)), 200.0 * (f(y) - f(z))]
    }

    #[test]
    fn every_kind_of_eye_tells_the_first_four_series_apart_and_most_eyes_all() {
        for palette in [&LIGHT, &DARK] {
            for (kind, first, least) in [(0, 4, 15.0), (1, 4, 15.0), (2, 8, 15.0)] {
                for a in 0..first {
                    for b in a + 1..first {
                        let (one, other) = (seen(palette.series[a], kind), seen(palette.series[b], kind));
                        let distance = one.iter().zip(other).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                        assert!(distance >= least, "{a} and {b} for eye {kind}: {distance:.1}");
                    }
                }
            }
        }
    }
}
