use super::*;

/// Six pixels, two rows of three.
const PIXELS: [[u8; 3]; 6] = [[12, 200, 90], [255, 0, 33], [77, 77, 77], [0, 255, 254], [130, 20, 240], [250, 251, 3]];

fn planes(pixels: &[[u8; 3]]) -> Vec<u8> {
    (0..3).flat_map(|c| pixels.iter().map(move |p| p[c])).collect()
}

/// Steps over the six pixels, back in [0, 1].
fn jittered(steps: &[Step]) -> Vec<f32> {
    let mut work = Row {
        red: PIXELS.iter().map(|p| f32::from(p[0]) / 255.0).collect(),
        green: PIXELS.iter().map(|p| f32::from(p[1]) / 255.0).collect(),
        blue: PIXELS.iter().map(|p| f32::from(p[2]) / 255.0).collect(),
    };
    for (n, &step) in steps.iter().enumerate() {
        let mean = if matches!(steps[n], Step::Contrast(_)) { sum_grey(&work) / 6.0 } else { 0.0 };
        apply(step, mean, &mut work);
    }
    [work.red, work.green, work.blue].concat()
}

fn assert_near(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (n, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() < 2e-6, "element {n}: {a} is not {b}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table of numbers")]
/// Expected values: torchvision 0.26.0, `transforms.functional.adjust_*` on the float32 image, printed to 7 digits.
#[test]
fn steps_are_torchvisions() {
    let cases: [(Step, [f32; 18]); 5] = [
        (
            Step::Brightness(1.3),
            [
                0.061_176_5,
                1.0,
                0.392_549,
                0.0,
                0.662_745_1,
                1.0,
                1.0,
                0.0,
                0.392_549,
                1.0,
                0.101_960_8,
                1.0,
                0.458_823_5,
                0.168_235_3,
                0.392_549,
                1.0,
                1.0,
                0.015_294_1,
            ],
        ),
        (
            Step::Contrast(0.6),
            [
                0.228_816_4,
                0.800_581_1,
                0.381_757_6,
                0.200_581_1,
                0.506_463_5,
                0.788_816_5,
                0.671_169_4,
                0.200_581_1,
                0.381_757_6,
                0.800_581_1,
                0.247_639_9,
                0.791_169_4,
                0.412_345_8,
                0.278_228_2,
                0.381_757_6,
                0.798_228_1,
                0.765_287,
                0.207_639_9,
            ],
        ),
        (
            Step::Saturation(1.7),
            [
                0.0,
                1.0,
                0.301_982,
                0.0,
                0.652_667_1,
                1.0,
                0.973_048,
                0.0,
                0.301_982,
                1.0,
                0.0,
                1.0,
                0.239_714_7,
                0.000_442_9,
                0.301_982,
                1.0,
                1.0,
                0.0,
            ],
        ),
        (
            Step::Hue(0.21),
            [
                0.047_058_8,
                0.869_411_7,
                0.301_960_8,
                0.256_078_2,
                0.941_176_5,
                0.011_764_7,
                0.286_745_3,
                1.0,
                0.301_960_8,
                0.0,
                0.078_431_4,
                0.984_313_7,
                0.784_313_7,
                0.0,
                0.301_960_8,
                1.0,
                0.285_490_4,
                0.268_549_1,
            ],
        ),
        (
            Step::Hue(-0.4),
            [
                0.784_313_7,
                0.0,
                0.301_960_8,
                1.0,
                0.078_431_4,
                0.599_215_9,
                0.058_039_2,
                0.529_411_8,
                0.301_960_8,
                0.596_078_2,
                0.941_176_5,
                0.011_764_7,
                0.047_058_8,
                1.0,
                0.301_960_8,
                0.0,
                0.164_705_8,
                0.984_313_7,
            ],
        ),
    ];
    for (step, expected) in cases {
        assert_near(&jittered(&[step]), &expected);
    }
}

#[test]
fn a_chain_of_steps_is_torchvisions() {
    let steps = [Step::Brightness(0.8), Step::Saturation(0.5), Step::Hue(-0.1), Step::Contrast(1.4)];
    let expected = [
        0.241_519_3,
        0.586_160_3,
        0.188_693_8,
        0.242_824_4,
        0.065_635_9,
        0.890_146_9,
        0.577_958_6,
        0.026_161_3,
        0.188_693_8,
        0.802_824_3,
        0.113_949_7,
        0.565_565_5,
        0.165_095_9,
        0.434_631,
        0.188_693_8,
        0.464_628_2,
        0.548_773_2,
        0.345_519_5,
    ];
    assert_near(&jittered(&steps), &expected);
}

#[test]
fn a_square_is_cropped_flipped_and_normalised() {
    let bytes = planes(&PIXELS);
    let image = Image { planes: &bytes, width: 3, height: 2 };
    let mut out = vec![0.0; 12];
    let augment = Augment { flip: true, place: [0.99, 0.0], steps: Vec::new() };
    render(image, &augment, 2, &mut out).unwrap();
    // Right two columns, mirrored: pixels 2, 1 then 5, 4.
    let expected: Vec<f32> =
        (0..3).flat_map(|c| [2, 1, 5, 4].map(|n| f32::from(PIXELS[n][c]) * (2.0 / 255.0) - 1.0)).collect();
    assert_eq!(out, expected);
    // The same with steps that change nothing but force the other path.
    let augment = Augment { steps: vec![Step::Brightness(1.0), Step::Contrast(1.0)], ..augment };
    render(image, &augment, 2, &mut out).unwrap();
    assert_near(&out, &expected);
}

#[test]
fn contrast_sees_the_crop_after_the_steps_before_it() {
    let pixels: Vec<[u8; 3]> = (0..64_u8).map(|n| [n * 4, 255 - n * 3, n ^ 0x15]).collect();
    let bytes = planes(&pixels);
    let image = Image { planes: &bytes, width: 8, height: 8 };
    let steps = vec![Step::Brightness(1.2), Step::Hue(0.07), Step::Contrast(0.5), Step::Saturation(1.3)];
    for flip in [false, true] {
        let mut out = vec![0.0; 3 * 25];
        let augment = Augment { flip, place: [0.3, 0.8], steps: steps.clone() };
        render(image, &augment, 5, &mut out).unwrap();
        let [left, top] = augment.corner(8, 8, 5);
        let crop: Vec<[u8; 3]> = (0..25).map(|n| pixels[(top + n / 5) * 8 + left + n % 5]).collect();
        let mut work = Row { red: Vec::new(), green: Vec::new(), blue: Vec::new() };
        for pixel in &crop {
            work.red.push(f32::from(pixel[0]) / 255.0);
            work.green.push(f32::from(pixel[1]) / 255.0);
            work.blue.push(f32::from(pixel[2]) / 255.0);
        }
        apply(steps[0], 0.0, &mut work);
        apply(steps[1], 0.0, &mut work);
        let mean = sum_grey(&work) / 25.0;
        apply(steps[2], mean, &mut work);
        apply(steps[3], 0.0, &mut work);
        for (channel, plane) in [work.red, work.green, work.blue].iter().enumerate() {
            for n in 0..25 {
                let x = if flip { 4 - n % 5 } else { n % 5 };
                let expected = plane[n / 5 * 5 + x] * 2.0 - 1.0;
                assert!((out[channel * 25 + n] - expected).abs() < 5e-6);
            }
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let bytes = planes(&PIXELS);
    let image = Image { planes: &bytes, width: 3, height: 2 };
    let augment = Augment::none();
    assert!(render(image, &augment, 3, &mut [0.0; 27]).is_err());
    assert!(render(image, &augment, 2, &mut [0.0; 11]).is_err());
    assert!(render(image, &augment, 0, &mut []).is_err());
    assert!(render(Image { planes: &bytes[1..], ..image }, &augment, 2, &mut [0.0; 12]).is_err());
}
