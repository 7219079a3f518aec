// %% [markdown]
// # Which layer explodes?
// A loss that leaps, or gradients that grow: look where it begins. Asks the training itself while it runs; of a session
// that has ended, the last cells but the gradients are answered by its newest checkpoint.
// %% how the loss and the gradients went
? select step, series, value from metrics where series like 'grad_norm/%' | plot x=step y=value by=series log=y
// %%
let r = run("latest");
let m = r.live();
// %% the largest weights, and whether any is NaN
m.stats("generator/*").by_norm()
// %%
m.stats("*").with_nans()
// %% gradients of the step before, the largest first
m.gradient_stats("*").by_norm()
// %% each layer over the next ten steps: what grows from one to the next is where it begins
let norms = m.gradient_norms_of(10, "generator/*.weight");
norms
// %%
norms.plot().log_y()
// %% what the layers make of one held-out picture
let seen = m.with_taps(&["generator/*"]).with_budget(2000).forward(0);
seen.tap_stats()
