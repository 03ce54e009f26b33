//! For comparison: a float model in tract with its defaults, run by `benches/compare.py`, which writes the model, and by `cross/count`.
//!
//!     tract MODEL.onnx SIDE RUNS      prints the least and the median CPU milliseconds of one inference

use tract_onnx::prelude::*;

fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

fn main() -> TractResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, side, runs] = &arguments[..] else { return Err(TractError::msg("usage: tract MODEL.onnx SIDE RUNS")) };
    let (side, runs) = (side.parse::<usize>()?, runs.parse::<usize>()?);
    let mut graph = onnx().model_for_path(model)?;
    graph.set_input_fact(0, f32::fact([1, 3, side, side]).into())?;
    let model = graph.into_optimized()?.into_runnable()?;
    let pixels: Vec<f32> = (0..3 * side * side).map(|i| (i * 7 % 256) as f32).collect();
    let input = Tensor::from_shape(&[1, 3, side, side], &pixels)?;
    let mut times = vec![];
    for _ in 0..runs {
        let start = cpu_ms();
        model.run(tvec!(input.clone().into_tvalue()))?;
        times.push(cpu_ms() - start);
    }
    times.sort_by(f64::total_cmp);
    if let (Some(least), Some(median)) = (times.first(), times.get(times.len() / 2)) {
        println!("{least} {median}");
    }
    Ok(())
}
