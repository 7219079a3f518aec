//! Models of sessions that no training runs. The program that loads them is a script that says where it was told to
//! listen; the test listens there, and speaks as the program does.

use std::io::{BufRead, BufReader};

use super::*;

/// A program of these lines of shell. The folder must outlive it.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("atelier-train");
    // Written under another name: a file that is still open for writing cannot be started.
    fs::write(folder.join("script"), format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(folder.join("script"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::rename(folder.join("script"), &path).unwrap();
    path
}

fn finished(root: &Path, checkpoints: &[i64]) -> Folder {
    let session = recorded(root, "done", 3);
    for step in checkpoints {
        checkpoint(session.folder(), *step);
    }
    session.finish(State::Finished, None).unwrap();
    session.folder().clone()
}

fn checkpoint(folder: &Folder, step: i64) {
    let path = folder.checkpoint_at(step);
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("state.json"), format!("{{\"step\":{step},\"epoch\":1.0}}")).unwrap();
}

/// Listen where the program was told to, and answer every probe as it would.
fn stand_in(told: &Path, starts: usize) {
    let lines = || fs::read_to_string(told).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    until("the program's start", || lines().len() >= starts);
    let line = lines()[starts - 1].clone();
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!((words[0], words[2]), ("probe-server", "--socket"), "{line}");
    assert!(Path::new(words[1]).join("session.toml").exists(), "{line}");
    let listener = UnixListener::bind(words[3]).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut request).unwrap();
            if request.is_empty() {
                continue;
            }
            assert!(request.contains("\"command\":\"probe\""), "{request}");
            let answer = "{\"version\":1,\"outcome\":\"ok\",\"message\":\"\",\"step\":20,\"source\":\"checkpoint\",\
                          \"age_ms\":5000,\"session\":\"done\",\"result\":{\"names\":[\"model.4\"]}}\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
}

#[test]
fn a_session_that_ended_is_asked_through_its_newest_checkpoint() {
    let tools = tempfile::tempdir().unwrap();
    let told = tools.path().join("told");
    // Ends with its input, as the real one does.
    let program =
        program(tools.path(), &format!("echo \"$@\" >> {0}; cat > /dev/null; echo ended >> {0}.end", told.display()));
    let notebook = Notebook::over(tempfile::tempdir().unwrap(), None, &program);
    let folder = finished(notebook.root.path(), &[10, 20]);
    let run = notebook.client.run("done");
    let live = thread::scope(|scope| {
        scope.spawn(|| stand_in(&told, 1));
        run.live()
    });
    assert!(!live.is_running());
    assert_eq!((live.taps(), run.live().taps()), (vec!["model.4".to_owned()], vec!["model.4".to_owned()]));
    assert_eq!(fs::read_to_string(&told).unwrap().lines().count(), 1, "one process, kept");
    let told_steering = message(|| live.pause());
    assert!(told_steering.contains("nothing to steer"), "{told_steering}");

    // With a newer checkpoint a new one is loaded.
    checkpoint(&folder, 30);
    thread::scope(|scope| {
        scope.spawn(|| stand_in(&told, 2));
        live.taps();
    });
    drop(notebook);
}

#[test]
fn a_model_that_cannot_be_loaded_says_why() {
    let tools = tempfile::tempdir().unwrap();
    let program = program(tools.path(), "echo 'tensor model.1.weight is missing' >&2; exit 3");
    let notebook = Notebook::over(tempfile::tempdir().unwrap(), None, &program);
    finished(notebook.root.path(), &[20]);
    let told = message(|| notebook.client.run("done").live());
    assert!(told.contains("step 20") && told.contains("tensor model.1.weight is missing"), "{told}");

    let notebook = Notebook::new();
    let folder = finished(notebook.root.path(), &[]);
    let told = message(|| notebook.client.run("done").live());
    assert!(told.contains("checkpoint") && told.contains(&folder.id()), "{told}");
    checkpoint(&folder, 5);
    let told = message(|| notebook.client.run("done").live());
    assert!(told.contains("/nowhere/atelier-train"), "{told}");
}

#[test]
fn a_running_training_is_asked_itself() {
    let notebook = Notebook::new();
    let session = recorded(notebook.root.path(), "alive", 3);
    let listener = session.control_listener().unwrap();
    let serve = thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut request).unwrap();
            let request = session::control::Request::parse(&request).unwrap();
            stream
                .write_all(session::control::Response::ok(format!("did {request}"), at(7)).to_line().as_bytes())
                .unwrap();
        }
    });
    let live = notebook.client.run("alive").live();
    assert!(live.is_running());
    assert_eq!((live.pause().message(), live.set_lr(1e-4).message()), ("did pause", "did set lr 1e-4"));
    serve.join().unwrap();
}

#[test]
fn a_hub_that_ends_while_a_model_loads_does_not_wait_for_it() {
    let tools = tempfile::tempdir().unwrap();
    let told = tools.path().join("told");
    let program = program(tools.path(), &format!("echo \"$$\" > {0}.part; mv {0}.part {0}; exec cat", told.display()));
    let notebook = Notebook::over(tempfile::tempdir().unwrap(), None, &program);
    finished(notebook.root.path(), &[20]);
    let run = notebook.client.run("done");
    let asking = thread::spawn(move || message(|| run.live()));
    until("the program's start", || told.exists());
    let pid = fs::read_to_string(&told).unwrap();
    drop(notebook);
    asking.join().unwrap();
    until("its end", || !Path::new("/proc").join(pid.trim()).exists());
}
