// %% [markdown]
// # Which images come out worst?
// Every held-out picture through the model as it is now, the worst ones to look at.
// %%
let r = run("latest");
let m = r.live().with_budget(2000);
// %% mean absolute error of the first 24 held-out pairs
let mut errors: Vec<(usize, f64)> = Vec::new();
for index in 0..24 {
    let Ok(out) = std::panic::catch_unwind(|| m.forward(index)) else { break };
    let (a, b) = (out.output(), out.target());
    let total: f64 = a.data().iter().zip(b.data()).map(|(a, b)| f64::from((a - b).abs())).sum();
    errors.push((index, total / a.len() as f64 / 2.0));
}
errors.sort_by(|a, b| b.1.total_cmp(&a.1));
// %%
for (index, error) in errors.iter().take(5) {
    println!("pair {index:>3}: L1 {error:.4}");
}
// %% the worst: input, target, output
m.forward(errors[0].0)
// %% and what its prediction looked at
m.saliency(errors[0].0)
// %% the best, to compare
m.forward(errors[errors.len() - 1].0)
