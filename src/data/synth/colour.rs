//! Colours as three floats, and the one transfer curve the drawing uses.

/// Red, green, blue. Display values in [0, 1] unless a name says `linear`.
pub type Rgb = [f32; 3];

/// `0xrrggbb` as display values.
pub const fn hex(code: u32) -> Rgb {
    [((code >> 16) & 255) as f32 / 255.0, ((code >> 8) & 255) as f32 / 255.0, (code & 255) as f32 / 255.0]
}

/// Straight mix of two colours.
pub fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Product by channel.
pub fn times(a: Rgb, b: Rgb) -> Rgb {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

/// Sum by channel.
pub fn plus(a: Rgb, b: Rgb) -> Rgb {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// All channels by one factor.
pub fn scale(a: Rgb, k: f32) -> Rgb {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// Rec. 601 luma.
pub fn luma(a: Rgb) -> f32 {
    0.299 * a[0] + 0.587 * a[1] + 0.114 * a[2]
}

/// Away from (k > 1) or towards (k < 1) the grey of the same luma.
pub fn saturate(a: Rgb, k: f32) -> Rgb {
    let grey = luma(a);
    mix([grey; 3], a, k)
}

/// Display value to light. Gamma 2 instead of sRGB's curve: exact on every machine, and the pictures are drawn for it.
pub fn to_linear(a: Rgb) -> Rgb {
    times(a, a)
}

/// Light to display value, clamped to [0, 1].
pub fn to_display(linear: Rgb) -> Rgb {
    linear.map(|v| v.clamp(0.0, 1.0).sqrt())
}

/// Display value to a byte, rounding to nearest.
pub fn byte(v: f32) -> u8 {
    (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
