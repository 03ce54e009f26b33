//! Starts the workers: each owns an extractor, and helps the others with their models while it has no job.

use std::sync::Arc;

use super::extractor::{Extractor, FacePipeline};
use crate::engine::{Crew, Team};
use crate::media::Threads;
use crate::work::{Help, Pool};

/// Starts so many workers and a queue of `capacity` jobs before them.
pub fn start_workers(faces: &Arc<FacePipeline>, workers: usize, capacity: usize) -> Pool<Extractor> {
    start_crew(faces, Crew::new(workers), workers, capacity)
}

/// The same with a crew that was made.
pub fn start_crew(faces: &Arc<FacePipeline>, crew: Crew, workers: usize, capacity: usize) -> Pool<Extractor> {
    let crew = Arc::new(crew);
    let (shared, leads) = (Arc::clone(faces), Arc::clone(&crew));
    let extractor = move || shared.extractor(&leads.team()).expect("one was made when the models were planned");
    let pool = Pool::start(workers, capacity, Arc::clone(&crew) as Arc<dyn Help>, extractor);
    let bell = pool.bell();
    crew.set_bell(move || bell.ring());
    pool
}

impl Help for Crew {
    fn is_wanted(&self) -> bool {
        self.wants_help()
    }

    fn help(&self, has_job: &dyn Fn() -> bool) {
        self.help(has_job);
    }
}

impl Threads for Team {
    fn fork(&self, other: &mut (dyn FnMut() + Send), mine: &mut dyn FnMut()) {
        self.fork(other, mine);
    }

    fn fill(&self, out: &mut [u8], unit: usize, fill: &(dyn Fn(usize, &mut [u8]) + Sync)) {
        self.fill(out, unit, fill);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pipeline_for_tests;
    use super::*;
    use crate::ops::Stop;
    use crate::work::{Owner, block_on};

    const COLLINS: &[u8] = include_bytes!("../../tests/pictures/collins.jpg");

    #[test]
    fn templates_are_the_same_with_any_number_of_workers() {
        let faces = Arc::new(pipeline_for_tests());
        let template = |workers: usize| {
            let pool = start_workers(&faces, workers, 4);
            let job = |extractor: &mut Extractor, _: &Stop<'_>| {
                (0..5).map(|_| extractor.extract(COLLINS, &|| false).expect("a face")).collect::<Vec<_>>()
            };
            block_on(pool.submit(&Owner::default(), job).expect("room")).expect("templates")
        };
        let alone = template(1);
        for workers in [2, 3, 8] {
            assert_eq!(template(workers), alone, "{workers} workers");
        }
    }
}
