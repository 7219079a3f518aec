// %% [markdown]
// # What did training change between two checkpoints?
// Read from the files alone, tensor by tensor: works while the session trains, and years after.
// %%
let r = run("latest");
r.checkpoints()
// %% the first and the newest
let steps = r.checkpoints().steps();
assert!(steps.len() > 1, "{} has {} of the two checkpoints that this takes: `atelier checkpoint {0}` writes one now", r.id(), steps.len());
let early = r.checkpoint(steps[0]);
let late = r.checkpoint_latest();
// %% by how much each tensor moved, relative to its norm
let change = early.diff(&late);
change
// %% what never moved is frozen, or gets no gradient
change.unchanged()
// %% the one that moved most, and its spectrum then and now
let name = change.rows()[0].name.clone();
let (then, now) = (early.tensor(&name).singular_values().named("early"), late.tensor(&name).singular_values().named("late"));
plot(&[&then, &now]).title(&name).labels("rank", "singular value").log_y()
// %%
late.tensor(&name).hist()
