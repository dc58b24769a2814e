//! The runs that are kept in the docs, and where the report goes.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    environment,
    model::{FORM, Run},
};

/// The docs folder, with the runs of the past.
#[derive(Clone, Debug)]
pub struct Archive {
    docs: PathBuf,
}

impl Archive {
    /// That of this checkout.
    pub fn here() -> Self {
        Self::at(environment::root().join("docs"))
    }

    /// One in some docs folder.
    pub fn at(docs: PathBuf) -> Self {
        Self { docs }
    }

    /// All runs, the newest first.
    pub fn runs(&self) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for file in fs::read_dir(self.folder()).into_iter().flatten() {
            let path = file.context("read the folder of runs")?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                runs.push(read(&path)?);
            }
        }
        runs.sort_by_key(|run: &Run| std::cmp::Reverse(run.environment.date));
        Ok(runs)
    }

    /// Keeps a run, in the place of one of the same day over the same wire.
    pub fn keep(&self, run: &Run) -> Result<()> {
        let name = format!("{}-{}.json", run.environment.date.strftime("%F"), run.settings.wire.name());
        self.write(&format!("benchmarks/{name}"), &json(run)?)
    }

    /// What people noted about the runs, by hand.
    pub fn notes(&self) -> Result<String> {
        let path = self.folder().join("NOTES.md");
        if !path.exists() {
            return Ok(String::new());
        }
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Writes a file of the report, named from the docs folder.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        write(&self.docs.join(name), text)
    }

    /// Removes the charts, so that none stays of what is measured no longer.
    pub fn remove_charts(&self) -> Result<()> {
        for file in fs::read_dir(self.folder()).into_iter().flatten() {
            let path = file.context("read the folder of charts")?.path();
            if path.extension().is_some_and(|extension| extension == "svg") {
                fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.docs.join("benchmarks")
    }
}

/// A run as text.
pub fn json(run: &Run) -> Result<String> {
    Ok(serde_json::to_string_pretty(run).context("write a run as JSON")? + "\n")
}

fn read(path: &Path) -> Result<Run> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let run: Run = serde_json::from_str(&text).with_context(|| format!("{} is not a run", path.display()))?;
    ensure!(run.form == FORM, "{}: form {}, this is for {FORM}", path.display(), run.form);
    Ok(run)
}

/// Writes a file that belongs to whom its folder belongs to: we are root in a user's checkout.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.exists() {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        give(folder)?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    give(path)
}

fn give(path: &Path) -> Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = fs::metadata(above).with_context(|| format!("look at {}", above.display()))?;
    if !nix::unistd::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    chown(path, Some(owner.uid()), Some(owner.gid())).with_context(|| format!("give away {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn runs_come_back_the_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::at(dir.path().to_owned());
        assert!(archive.runs().unwrap().is_empty());
        for date in ["2026-11-26T10:00:00Z", "2026-12-01T10:00:00Z", "2026-11-30T10:00:00Z"] {
            archive.keep(&sample::run(date, &["frames-64-1"])).unwrap();
        }
        // The second run of a day.
        archive.keep(&sample::run("2026-12-01T12:00:00Z", &["frames-64-1"])).unwrap();
        let dates: Vec<_> =
            archive.runs().unwrap().iter().map(|run| run.environment.date.to_string()).collect();
        assert_eq!(dates, ["2026-12-01T12:00:00Z", "2026-11-30T10:00:00Z", "2026-11-26T10:00:00Z"]);
        assert!(dir.path().join("benchmarks/2026-11-26-mtu.json").exists());
    }

    #[test]
    fn another_form_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::at(dir.path().to_owned());
        let mut run = sample::run("2026-11-26T10:00:00Z", &[]);
        run.form = FORM + 1;
        archive.keep(&run).unwrap();
        assert!(archive.runs().unwrap_err().to_string().contains("form"));
    }
}
