//! Colours by meaning: the only place where one is named.
#![allow(clippy::disallowed_methods, reason = "this is the place")]

use ratatui::style::{Color, Modifier, Style};

use crate::app::widgets::chart::Palette;
use crate::notebook::code::Class;
use crate::session::State;

/// The sets of colours there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThemeName {
    /// For dark terminals.
    #[default]
    Dark,
    /// For light terminals.
    Light,
    /// Dark, told apart by every kind of eye (Okabe and Ito's palette).
    ColourBlind,
    /// No colours at all: weight, underline and shape alone.
    None,
}

impl ThemeName {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Dark => Self::Light,
            Self::Light => Self::ColourBlind,
            Self::ColourBlind => Self::None,
            Self::None => Self::Dark,
        }
    }

    /// As the command line writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColourBlind => "colour-blind",
            Self::None => "none",
        }
    }
}

/// Colours by meaning. Everything that is not named here has the terminal's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Which it is.
    pub name: ThemeName,
    /// Text that carries the message.
    pub text: Style,
    /// Text that explains it.
    pub dim: Style,
    /// Rules between regions.
    pub rule: Style,
    /// The program's own colour: the selection's edge, the screen in front.
    pub accent: Style,
    /// The selected row.
    pub selected: Style,
    /// A title.
    pub title: Style,
    /// Things are well.
    pub good: Style,
    /// Look at this.
    pub warn: Style,
    /// Something is wrong.
    pub bad: Style,
    /// A key to press.
    pub key: Style,
    /// The crosshair.
    pub crosshair: Style,
    /// What lies over a screen.
    pub layer: Style,
    /// Series, in the order in which they are given out.
    pub series: [Style; 8],
    /// The same, as the band behind a smoothed line.
    pub bands: [Style; 8],
}

const fn fg(rgb: u32) -> Style {
    Style::new().fg(Color::Rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8))
}

const fn all(rgb: [u32; 8]) -> [Style; 8] {
    let mut styles = [Style::new(); 8];
    let mut index = 0;
    while index < 8 {
        styles[index] = fg(rgb[index]);
        index += 1;
    }
    styles
}

const fn on(style: Style, rgb: u32) -> Style {
    style.bg(Color::Rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8))
}

const DARK: Theme = Theme {
    name: ThemeName::Dark,
    text: Style::new(),
    dim: fg(0x80_88_94),
    rule: fg(0x3a_41_4b),
    accent: fg(0x6c_b6_ff),
    selected: on(Style::new(), 0x22_2b_36),
    title: fg(0xd7_dc_e2).add_modifier(Modifier::BOLD),
    good: fg(0x6b_c4_6d),
    warn: fg(0xe0_b0_4e),
    bad: fg(0xf4_70_67),
    key: fg(0x9c_c8_f5),
    crosshair: fg(0xc9_a6_ff),
    layer: on(Style::new(), 0x16_1b_22),
    series: all([0x6c_b6_ff, 0xf6_9d_50, 0x6b_c4_6d, 0xdc_bd_fb, 0xf4_70_67, 0x56_d4_c9, 0xe0_c0_5c, 0xfc_8d_c7]),
    bands: all([0x2c_4a_69, 0x66_44_27, 0x2f_53_31, 0x5b_4f_69, 0x66_32_2f, 0x27_59_55, 0x5e_51_2a, 0x69_3e_55]),
};

const LIGHT: Theme = Theme {
    name: ThemeName::Light,
    text: Style::new(),
    dim: fg(0x65_6d_76),
    rule: fg(0xc4_cb_d2),
    accent: fg(0x09_59_c4),
    selected: on(Style::new(), 0xe3_ec_f7),
    title: fg(0x1f_23_28).add_modifier(Modifier::BOLD),
    good: fg(0x1a_74_34),
    warn: fg(0x92_5f_00),
    bad: fg(0xc4_1e_2b),
    key: fg(0x05_50_ae),
    crosshair: fg(0x74_3c_c4),
    layer: on(Style::new(), 0xf3_f5_f8),
    series: all([0x09_59_c4, 0xb6_4e_00, 0x1a_74_34, 0x74_3c_c4, 0xc4_1e_2b, 0x0a_75_78, 0x85_66_00, 0xb0_2a_7a]),
    bands: all([0xb4_cd_ee, 0xec_c9_ab, 0xb2_d6_bb, 0xd5_c4_ee, 0xee_b9_bd, 0xb0_d8_d8, 0xdf_d3_a8, 0xe9_bd_d8]),
};

const COLOUR_BLIND: Theme = Theme {
    name: ThemeName::ColourBlind,
    accent: fg(0x56_b4_e9),
    good: fg(0x56_b4_e9),
    warn: fg(0xf0_e4_42),
    bad: fg(0xe6_7a_2e),
    key: fg(0x9c_d2_f0),
    crosshair: fg(0xcc_79_a7),
    series: all([0x56_b4_e9, 0xe6_9f_00, 0x00_9e_73, 0xcc_79_a7, 0xd5_5e_00, 0xf0_e4_42, 0x33_8a_cc, 0xbb_bb_bb]),
    bands: all([0x26_4e_65, 0x63_45_05, 0x08_47_36, 0x58_36_48, 0x5c_2c_06, 0x66_61_1f, 0x1a_3d_57, 0x50_50_50]),
    ..DARK
};

const NONE: Theme = Theme {
    name: ThemeName::None,
    text: Style::new(),
    dim: Style::new().add_modifier(Modifier::DIM),
    rule: Style::new().add_modifier(Modifier::DIM),
    accent: Style::new().add_modifier(Modifier::BOLD),
    selected: Style::new().add_modifier(Modifier::REVERSED),
    title: Style::new().add_modifier(Modifier::BOLD),
    good: Style::new(),
    warn: Style::new().add_modifier(Modifier::BOLD),
    bad: Style::new().add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
    key: Style::new().add_modifier(Modifier::BOLD),
    crosshair: Style::new(),
    layer: Style::new(),
    series: [Style::new(); 8],
    bands: [Style::new().add_modifier(Modifier::DIM); 8],
};

impl Theme {
    /// The theme of a name, in the colours that the terminal has.
    pub fn new(name: ThemeName, depth: Depth) -> Self {
        let theme = match name {
            ThemeName::Dark => DARK,
            ThemeName::Light => LIGHT,
            ThemeName::ColourBlind => COLOUR_BLIND,
            ThemeName::None => NONE,
        };
        match depth {
            Depth::True => theme,
            Depth::Indexed => {
                theme.map(|style| Style { fg: style.fg.map(indexed), bg: style.bg.map(indexed), ..style })
            }
        }
    }

    fn map(mut self, change: impl Fn(Style) -> Style) -> Self {
        for style in [
            &mut self.text,
            &mut self.dim,
            &mut self.rule,
            &mut self.accent,
            &mut self.selected,
            &mut self.title,
            &mut self.good,
            &mut self.warn,
            &mut self.bad,
            &mut self.key,
            &mut self.crosshair,
            &mut self.layer,
        ]
        .into_iter()
        .chain(&mut self.series)
        .chain(&mut self.bands)
        {
            *style = change(*style);
        }
        self
    }

    /// The styles of a chart.
    pub fn chart(&self, ascii: bool) -> Palette {
        Palette {
            series: self.series,
            dim: self.rule,
            bands: self.bands,
            axis: self.dim,
            rule: self.rule,
            title: self.title,
            value: self.text,
            note: self.dim,
            crosshair: self.crosshair,
            mark_alert: self.bad,
            mark_info: self.accent,
            restart: self.dim,
            ascii,
        }
    }

    /// What a token of code looks like: few colours, and none for what most of it is.
    pub fn code(&self, class: Class) -> Style {
        match class {
            Class::Keyword => self.key,
            Class::Type => self.series[5],
            Class::Text => self.series[2],
            Class::Number | Class::Lifetime => self.series[1],
            Class::Macro => self.series[3],
            Class::Comment | Class::Attribute => self.dim,
            Class::Function | Class::Name | Class::Sign => self.text,
        }
    }

    /// What a state looks like.
    pub fn state(&self, state: Option<State>) -> Style {
        match state {
            Some(State::Running) => self.good,
            Some(State::Starting | State::Paused) => self.warn,
            Some(State::Failed | State::Crashed) => self.bad,
            Some(State::Finished | State::Stopped) | None => self.dim,
        }
    }
}

/// The style of one character that shows two pixels of a picture, the upper and the lower, in the colours that the
/// terminal has.
pub fn halves(depth: Depth, upper: [u8; 3], lower: [u8; 3]) -> Style {
    let colour = |[r, g, b]: [u8; 3]| match depth {
        Depth::True => Color::Rgb(r, g, b),
        Depth::Indexed => indexed(Color::Rgb(r, g, b)),
    };
    Style::new().fg(colour(upper)).bg(colour(lower))
}

/// From nothing to everything on the ground of each theme, with evenly changing lightness, so that more looks like more
/// to every kind of eye: matplotlib's inferno, `ColorBrewer`'s `YlOrBr`, and cividis.
const HEAT_DARK: [u32; 9] =
    [0x00_00_04, 0x1b_0c_41, 0x4a_0c_6b, 0x78_1c_6d, 0xa5_2c_60, 0xcf_44_46, 0xed_69_25, 0xfb_9b_06, 0xfc_ff_a4];
const HEAT_LIGHT: [u32; 9] =
    [0xff_ff_e5, 0xff_f7_bc, 0xfe_e3_91, 0xfe_c4_4f, 0xfe_99_29, 0xec_70_14, 0xcc_4c_02, 0x99_34_04, 0x66_25_06];
const HEAT_COLOUR_BLIND: [u32; 9] =
    [0x00_22_4e, 0x16_38_6f, 0x43_4e_6c, 0x61_65_6f, 0x7c_7b_78, 0x9b_93_76, 0xbb_ac_6e, 0xdd_c8_5f, 0xfe_e8_38];
const HEAT_NONE: [u32; 9] =
    [0x00_00_00, 0x20_20_20, 0x40_40_40, 0x60_60_60, 0x80_80_80, 0xa0_a0_a0, 0xc0_c0_c0, 0xe0_e0_e0, 0xff_ff_ff];

/// The colour of a heat map where `share` (0 to 1) of the most is.
pub fn heat(name: ThemeName, share: f32) -> [u8; 3] {
    let stops = match name {
        ThemeName::Dark => HEAT_DARK,
        ThemeName::Light => HEAT_LIGHT,
        ThemeName::ColourBlind => HEAT_COLOUR_BLIND,
        ThemeName::None => HEAT_NONE,
    };
    let place = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 } * (stops.len() - 1) as f32;
    let first = (place as usize).min(stops.len() - 2);
    let part = place - first as f32;
    let channel = |rgb: u32, shift: u32| ((rgb >> shift) & 0xff) as f32;
    [16, 8, 0].map(|shift| {
        let (from, to) = (channel(stops[first], shift), channel(stops[first + 1], shift));
        (from + (to - from) * part).round() as u8
    })
}

/// The line that is drawn into a picture, where two of them meet.
pub fn seam(name: ThemeName) -> [u8; 3] {
    match name {
        ThemeName::Dark | ThemeName::None => [0xff, 0xff, 0xff],
        ThemeName::Light => [0x1f, 0x23, 0x28],
        ThemeName::ColourBlind => [0xf0, 0xe4, 0x42],
    }
}

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bit.
    True,
    /// The 256 of xterm.
    Indexed,
}

impl Depth {
    /// What the terminal says of itself. SSH does not pass `COLORTERM` on, so the terminals known for it are named.
    pub fn of_environment(get: impl Fn(&str) -> Option<String>) -> Self {
        let term = get("TERM").unwrap_or_default();
        let told = get("COLORTERM").is_some_and(|it| it == "truecolor" || it == "24bit");
        let known = ["kitty", "ghostty", "wezterm", "alacritty", "foot", "direct"].iter().any(|it| term.contains(it));
        if told || known { Self::True } else { Self::Indexed }
    }
}

/// The nearest of xterm's colours.
fn indexed(colour: Color) -> Color {
    const LEVELS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let Color::Rgb(r, g, b) = colour else { return colour };
    let wanted = [r, g, b].map(i32::from);
    let nearest = |value: i32| (0..6).min_by_key(|&at| (LEVELS[at] - value).abs()).unwrap_or(0);
    let cube = wanted.map(nearest);
    let distance = |seen: [i32; 3]| seen.iter().zip(wanted).map(|(a, b)| (a - b).pow(2)).sum::<i32>();
    let mean = wanted.iter().sum::<i32>() / 3;
    let grey = ((mean - 3) / 10).clamp(0, 23);
    if distance([8 + 10 * grey; 3]) < distance(cube.map(|at| LEVELS[at])) {
        Color::Indexed((232 + grey) as u8)
    } else {
        Color::Indexed((16 + 36 * cube[0] + 6 * cube[1] + cube[2]) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_means_none() {
        let theme = Theme::new(ThemeName::None, Depth::True);
        theme.map(|style| {
            assert_eq!((style.fg, style.bg), (None, None));
            style
        });
    }

    #[test]
    fn series_stay_apart_in_256_colours() {
        for name in [ThemeName::Dark, ThemeName::Light, ThemeName::ColourBlind] {
            let theme = Theme::new(name, Depth::Indexed);
            for (index, style) in theme.series.iter().enumerate() {
                assert!(matches!(style.fg, Some(Color::Indexed(_))));
                assert!(theme.series[index + 1..].iter().all(|other| other.fg != style.fg), "{name:?} {index}");
            }
        }
    }

    #[test]
    fn more_heat_is_further_from_the_ground_in_every_theme() {
        let lightness = |[r, g, b]: [u8; 3]| 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
        for name in [ThemeName::Dark, ThemeName::Light, ThemeName::ColourBlind, ThemeName::None] {
            let ramp: Vec<f32> = (0..=64).map(|step| lightness(heat(name, step as f32 / 64.0))).collect();
            let down = name == ThemeName::Light;
            assert!(ramp.windows(2).all(|pair| (pair[1] > pair[0]) != down), "{name:?} {ramp:?}");
            assert_eq!(heat(name, f32::NAN), heat(name, -1.0));
            assert_eq!(heat(name, 2.0), heat(name, 1.0));
        }
    }

    #[test]
    fn pixels_keep_to_the_colours_there_are() {
        assert_eq!(halves(Depth::True, [1, 2, 3], [4, 5, 6]).fg, Some(Color::Rgb(1, 2, 3)));
        let few = halves(Depth::Indexed, [255, 0, 0], [8, 8, 8]);
        assert_eq!((few.fg, few.bg), (Some(Color::Indexed(196)), Some(Color::Indexed(232))));
    }

    #[test]
    fn themes_go_round() {
        let mut name = ThemeName::Dark;
        for _ in 0..4 {
            name = name.next();
        }
        assert_eq!(name, ThemeName::Dark);
    }
}
