// %% [markdown]
// # Does the GPU wait for data?
// What a step spends its time on, and how busy the machine was: one clock for both.
// %%
? select series, avg(value) * 1000 as mean_ms, max(value) * 1000 as longest_ms from metrics where series like 'time/%_seconds' group by series order by mean_ms desc
// %%
let r = run("latest");
let m = r.metrics();
let data = m.series("time/data_seconds");
let whole = m.series("time/step_seconds");
println!("{:.1} % of the time of a step is waiting for data", 100.0 * data.mean() / whole.mean());
// %% where it goes, step by step
m.plot("time/*_seconds").log_y()
// %% the machine over the same steps
r.telemetry().plot("*_percent")
// %% images a second
m.series("speed/images_per_sec").ema(0.9).plot()
