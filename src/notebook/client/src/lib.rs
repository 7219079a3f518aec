//! Ask sessions, checkpoints and running trainings from a cell of the notebook.
