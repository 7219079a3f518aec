use super::file::half;
use super::*;
use crate::probe::testing::{Dice, Folder, message};

/// A safetensors file with this header and these bytes.
fn written(folder: &Folder, header: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join("x.safetensors");
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat();
    fs::write(&path, file).unwrap();
    path
}

fn float_file(folder: &Folder, name: &str, tensors: &[(&str, &[f32])]) -> PathBuf {
    let mut bytes: Vec<u8> = Vec::new();
    let mut heads = vec!["\"__metadata__\":{\"format\":\"pt\"}".to_owned()];
    for (name, values) in tensors {
        let begin = bytes.len();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let (count, end) = (values.len(), bytes.len());
        heads.push(format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{count}],\"data_offsets\":[{begin},{end}]}}"));
    }
    let path = written(folder, &format!("{{{}}}", heads.join(",")), &bytes);
    let target = folder.join(name);
    fs::rename(path, &target).unwrap();
    target
}

fn refused(header: &str, bytes: &[u8]) -> String {
    let folder = Folder::new();
    TensorFile::of(&written(&folder, header, bytes), None).map(drop).unwrap_err().to_string()
}

#[test]
fn every_type_is_read_as_floats() {
    let folder = Folder::new();
    let header = "{\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},\
        \"l\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},\
        \"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[16,20]},\
        \"f\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[20,24]},\
        \"h\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[24,26]},\
        \"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[26,28]},\
        \"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[28,29]},\
        \"t\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[29,30]},\
        \"e\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],\"data_offsets\":[30,32]}}";
    let mut bytes = Vec::new();
    bytes.extend((-2.5_f64).to_le_bytes());
    bytes.extend(7_i64.to_le_bytes());
    bytes.extend((-3_i32).to_le_bytes());
    bytes.extend(0.1_f32.to_le_bytes());
    bytes.extend(0x3e00_u16.to_le_bytes());
    bytes.extend(0xc040_u16.to_le_bytes());
    bytes.extend([200, 1, 9, 9]);
    let file = TensorFile::open(written(&folder, header, &bytes));
    for (name, value) in
        [("d", -2.5), ("l", 7.0), ("i", -3.0), ("f", 0.1), ("h", 1.5), ("b", -3.0), ("u", 200.0), ("t", 1.0)]
    {
        assert_eq!(file.tensor(name).data(), [value], "{name}");
    }
    assert_eq!((file.shape("l"), file.shape("f")), (vec![], vec![1, 1]));
    assert!(message(|| drop(file.tensor("e"))).contains("F8_E4M3"));
    assert_eq!(file.list("?").len(), 9);
    assert_eq!(
        [0, 1, 0x8000, 0x3c00, 0x7bff, 0xfc00].map(half),
        [0.0, 5.960_464_5e-8, -0.0, 1.0, 65504.0, f32::NEG_INFINITY]
    );
    assert!(half(0x7c01).is_nan());
}

#[test]
fn offsets_and_lengths_that_lie_are_refused() {
    let one = |begin: &str, end: &str, shape: &str| {
        format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}}}")
    };
    let two = |first: &str, second: &str| {
        let tensor = |at: &str| format!("{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{at}}}");
        format!("{{\"a\":{},\"b\":{}}}", tensor(first), tensor(second))
    };
    assert!(refused(&two("[0,4]", "[2,6]"), &[0; 8]).contains("a and b overlap"));
    assert!(refused(&two("[0,4]", "[0,4]"), &[0; 8]).contains("overlap"));
    assert!(refused(&one("0", "8", "[2]"), &[0; 4]).contains("lie outside of the 4"));
    assert!(refused(&one("8", "4", "[1]"), &[0; 8]).contains("lie outside"));
    assert!(refused(&one("0", "8", "[3]"), &[0; 8]).contains("do not hold its shape"));
    assert!(refused(&one("0", "8", "[4294967296,4294967296,2]"), &[0; 8]).contains("too many values"));
    assert!(refused(&one("-4", "0", "[1]"), &[0; 8]).contains("offsets that are none"));
    assert!(refused(&one("0", "18446744073709551615", "[1]"), &[0; 8]).contains("offsets"));
    assert!(refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", &[0; 8]).contains("no offsets"));
    assert!(refused("[]", &[]).contains("no object"));
    let name = "{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
    assert!(refused(&format!("{{\"a\":{name},\"a\":{name}}}"), &[]).contains("two tensors are called a"));
    let folder = Folder::new();
    let path = folder.join("short");
    for (bytes, told) in
        [(&b"abc"[..], "no header"), (&[255; 16], "a header of"), (&[9, 0, 0, 0, 0, 0, 0, 0, b'{'], "a header of 9")]
    {
        fs::write(&path, bytes).unwrap();
        let problem = TensorFile::of(&path, None).map(drop).unwrap_err().to_string();
        assert!(problem.contains(told) && problem.contains("short"), "{problem}");
    }
    assert!(message(|| drop(TensorFile::open("/nowhere/x"))).contains("/nowhere/x"));
}

#[test]
fn damaged_files_are_errors_and_never_a_panic() {
    let folder = Folder::new();
    let good = fs::read(float_file(&folder, "good", &[("a.weight", &[1.0, 2.0]), ("b", &[3.0])])).unwrap();
    let path = folder.join("bad");
    let mut dice = Dice(11);
    for _ in 0..1000 {
        fs::write(&path, dice.mutate(&good)).unwrap();
        if let Ok(file) = TensorFile::of(&path, None) {
            for name in file.names() {
                std::panic::catch_unwind(|| file.tensor(&name).len()).ok();
            }
            assert!(!file.to_string().is_empty());
        }
    }
}

#[test]
fn only_the_tensor_that_is_asked_for_is_read() {
    let folder = Folder::new();
    // A file of 64 GiB, nearly all of which is a hole: reading it whole would fail or take minutes.
    let huge = 64_u64 << 30;
    let header = format!(
        "{{\"huge\":{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[0,{huge}]}},\
         \"small\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[{huge},{}]}}}}",
        huge / 4,
        huge + 8
    );
    let path = written(&folder, &header, &[]);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(8 + header.len() as u64 + huge + 8).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &2.5_f32.to_le_bytes(), 8 + header.len() as u64 + huge + 4)
        .unwrap();
    let tensors = TensorFile::open(&path);
    assert_eq!(tensors.tensor("small").data(), [0.0, 2.5]);
    assert!(message(|| drop(tensors.tensor("huge"))).contains(".stats(\"huge\")"));
}

#[test]
fn a_difference_names_the_greatest_change_first_and_what_is_not_in_both() {
    let folder = Folder::new();
    let ones = vec![1.0; 300_000];
    let before =
        float_file(&folder, "before", &[("same", &ones), ("some", &[3.0, 4.0]), ("gone", &[1.0]), ("zero", &[0.0])]);
    let mut moved = ones.clone();
    moved[299_999] = 1.5;
    let after =
        float_file(&folder, "after", &[("same", &moved), ("some", &[3.0, 9.0]), ("new", &[1.0]), ("zero", &[0.0])]);
    let diff = TensorFile::open(&before).diff(&TensorFile::open(&after));
    let rows: Vec<_> = diff.rows().iter().map(|row| (row.name.as_str(), row.relative, row.max_abs)).collect();
    assert_eq!(rows[0], ("some", 1.0, 5.0));
    assert_eq!((rows[1].0, rows[1].2), ("same", 0.5));
    assert!((rows[1].1 - 0.5 / 300_000_f64.sqrt()).abs() < 1e-12);
    assert_eq!(diff.unchanged(), ["zero"]);
    let shown = diff.to_string();
    assert!(shown.contains(": gone") && shown.contains(": new"), "{shown}");
    let nan = float_file(&folder, "nan", &[("same", &moved), ("some", &[f32::NAN, 4.0])]);
    assert_eq!(TensorFile::open(&before).diff(&TensorFile::open(&nan)).rows()[0].name, "some", "a NaN before all");
}

#[test]
fn checkpoints_are_found_by_step_and_tensors_by_either_kind_of_name() {
    let folder = Folder::new();
    let make = |step: i64, values: &[f32]| {
        let place = folder.join(&format!("checkpoints/step-{step:08}"));
        fs::create_dir_all(&place).unwrap();
        let file =
            float_file(&folder, "moved", &[("generator.model.1.weight", values), ("generator.model.1.bias", &[1.0])]);
        fs::rename(file, place.join(MODEL)).unwrap();
        place
    };
    for step in [20, 100] {
        let place = make(step, &[step as f32, 0.0]);
        fs::write(place.join(STATE), format!("{{\"step\":{step},\"epoch\":1.5,\"metrics\":{{\"val/l1\":0.25}}}}"))
            .unwrap();
    }
    make(200, &[0.0]); // half written: no state.json
    let all = Checkpoints::list(&folder.0, "260101-x").unwrap();
    assert_eq!((all.steps(), all.latest().step()), (vec![20, 100], 100));
    assert!(message(|| drop(all.at(21))).contains("there are 20, 100"));
    let newest = all.latest();
    assert_eq!((newest.epoch(), newest.metrics()), (1.5, &[("val/l1".to_owned(), 0.25)][..]));
    for name in ["generator/model.1.weight", "generator.model.1.weight", "1.weight"] {
        assert_eq!(newest.tensor(name).data(), [100.0, 0.0], "{name}");
    }
    let tensor = newest.tensor("1.weight");
    assert!(tensor.to_string().contains("260101-x · step 100 · checkpoint"), "{tensor}");
    assert!(message(|| drop(newest.tensor("model.1"))).contains("2 tensors have"));
    assert!(message(|| drop(newest.tensor("colour"))).contains("lists all 2"));
    assert_eq!(newest.stats("generator/*.bias").rows()[0].stats.mean, 1.0);
    assert_eq!(all.at(20).diff(&newest).rows()[0].max_abs, 80.0);
    let none = Checkpoints::list(&folder.join("nothing"), "x").unwrap();
    assert!(message(|| drop(none.latest())).contains("no whole checkpoint"));
}
