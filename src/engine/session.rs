//! Runs a plan on one thread, which others may help: from pixels to maps.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::plan::SimpleState;

use super::int8::{Network, Sizes, State};
use super::manifest::{Decoding, ModelInfo};
use super::ops::Runnable;
use super::team::Team;
use super::{Error, Map, self_test};

/// The state that one thread needs to run a plan.
pub struct Session {
    state: Running,
    side: usize,
    mean: u8,
    outputs: Vec<String>,
    team: Team,
}

enum Running {
    Whole(Arc<Network>, State),
    Graph(SimpleState<TypedFact, Box<dyn TypedOp>>),
}

impl Session {
    pub(super) fn new(
        runnable: &Runnable,
        side: usize,
        mean: u8,
        outputs: Vec<String>,
        team: &Team,
    ) -> Result<Self, Error> {
        let state = match runnable {
            Runnable::Whole(network) => Running::Whole(Arc::clone(network), network.state(team)),
            Runnable::Graph(graph) => Running::Graph(graph.spawn().map_err(told)?),
        };
        Ok(Self { state, side, mean, outputs, team: team.clone() })
    }

    /// Side of the largest input in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The team that it leads.
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// Whether it can run on a picture of so many rows and columns. Any session accepts a square of its side; smaller pictures only if
    /// the whole model is computed in integers and its layers can process them.
    pub fn accepts(&self, rows: usize, columns: usize) -> bool {
        match &self.state {
            Running::Whole(network, _) => Sizes::of(network, rows, columns).is_some(),
            Running::Graph(_) => [rows, columns] == [self.side; 2],
        }
    }

    /// Runs the model on a square of `3 * side * side` bytes: rows of pixels in the model's channel order.
    pub fn run(&mut self, pixels: &[u8]) -> Result<Vec<Map>, Error> {
        self.run_on(pixels, self.side, self.side)
    }

    /// Runs the model on `3 * rows * columns` bytes, a size that [`Self::accepts`] allows.
    pub fn run_on(&mut self, pixels: &[u8], rows: usize, columns: usize) -> Result<Vec<Map>, Error> {
        let refused = || Error::run(format!("{} bytes are no picture of {columns}x{rows} that it takes", pixels.len()));
        if pixels.len() != 3 * rows * columns {
            return Err(refused());
        }
        match &mut self.state {
            Running::Whole(network, state) => {
                let sizes = Sizes::of(network, rows, columns).ok_or_else(refused)?;
                network.run(state, &sizes, &[pixels], &self.team);
                let maps = self.outputs.iter().zip(sizes.outputs()).enumerate().map(|(number, (name, shape))| Map {
                    name: name.clone(),
                    channels: shape.channels,
                    rows: shape.rows,
                    columns: shape.columns,
                    values: shape.planes(network.floats(state, &sizes, number).expect("outputs are floats")),
                });
                Ok(maps.collect())
            }
            Running::Graph(_) if [rows, columns] != [self.side; 2] => Err(refused()),
            Running::Graph(state) => {
                let plane = |c: usize| pixels[c..].iter().step_by(3).map(|&p| f32::from(p) - f32::from(self.mean));
                let planes: Vec<f32> = (0..3).flat_map(plane).collect();
                let input = Tensor::from_shape(&[1, 3, rows, columns], &planes).map_err(told)?;
                let outputs = state.run(tvec!(input.into_tvalue())).map_err(told)?;
                self.outputs.iter().zip(outputs).map(|(name, value)| map(name, &value).map_err(told)).collect()
            }
        }
    }

    /// Runs the self-test picture and compares the outputs with the manifest's known answer.
    pub fn self_test(&mut self, info: &ModelInfo) -> Result<(), Error> {
        let maps = self.run(&self_test::picture(self.side))?;
        let found: usize = maps.iter().map(|m| m.values.len()).sum();
        match info.output {
            Decoding::Embedding { dimension: values } | Decoding::Liveness { classes: values, .. }
                if found != values =>
            {
                return Err(Error::self_test(format!("{}: {found} values instead of {values}", info.name)));
            }
            Decoding::Mesh { points } if found != 3 * points + 1 => {
                return Err(Error::self_test(format!("{}: {found} values for {points} points", info.name)));
            }
            _ => {}
        }
        self_test::compare(&info.name, &maps, &info.self_test.answer)
    }
}

fn told(error: TractError) -> Error {
    Error::run(format!("{error:#}")).because(error)
}

fn map(name: &str, value: &Tensor) -> TractResult<Map> {
    let values = value.try_as_plain_ram()?.as_slice::<f32>()?.to_vec();
    let [_, channels, rows, columns] = *value.shape() else {
        return Err(TractError::msg(format!("output {name} is not a map: its shape is {:?}", value.shape())));
    };
    Ok(Map { name: name.to_owned(), channels, rows, columns, values })
}
