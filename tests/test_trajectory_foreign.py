"""Trajectories that other programs wrote, and damaged ones."""

import h5py
import numpy as np
import pytest

from coulombfield.trajectory import Trajectory


def test_files_of_other_programs_are_read_as_far_as_they_go(tmp_path):
    """Steps as an increment with an offset, groups of other names, no times, an element at fewer steps."""
    x = np.arange(24.0).reshape(4, 2, 3)
    with h5py.File(tmp_path / "b.h5md", "w") as file:
        for name in ("author", "creator"):
            file.create_group(f"h5md/{name}").attrs["name"] = np.bytes_("other")
        group = file.create_group("particles/solvent")
        group["position/value"], group["position/step"] = x, 10
        group["position/step"].attrs["offset"] = 5
        group["charge"] = [1.0, -1.0]
        group["velocity/value"], group["velocity/step"] = x[:2], [5, 25]
        file["observables/solvent/heat/value"], file["observables/solvent/heat/step"] = [1.0, 2.0], [5, 15]
    with Trajectory(tmp_path / "b.h5md") as trajectory:
        assert trajectory.steps.tolist() == [5, 15, 25, 35]
        assert np.isnan(trajectory.times).all()
        assert (trajectory.creator, trajectory.author) == ("other", "other")
        assert trajectory.observables["solvent/heat"].at(15) == 2.0
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].position, x[2])
        np.testing.assert_array_equal(trajectory[2].particles["solvent"].velocity, x[1])
        assert trajectory[1].particles["solvent"].velocity is None
        assert trajectory[1].particles["solvent"].charge.tolist() == [1, -1]
        with pytest.raises(ValueError, match="this program wrote"):
            trajectory.state()


def test_what_is_no_trajectory_is_refused_with_a_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        Trajectory(tmp_path / "none.h5md")
    (tmp_path / "text.h5md").write_text("text")
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        Trajectory(tmp_path / "text.h5md")
    h5py.File(tmp_path / "empty.h5md", "w").close()
    with pytest.raises(ValueError, match="expected an H5MD file"):
        Trajectory(tmp_path / "empty.h5md")
