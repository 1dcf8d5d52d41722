"""What a run's commit says of its inputs, as `txn`: the versions that it read, and its SQL. Millrace writes and reads the same."""

import datetime
import json

RUN_SHIFT = 32
NO_CHANGE = ("REMOVE OLD ROWS", "ADD COLUMNS")


class Marks:
    def __init__(self, pipeline, plan):
        self.pipeline, self.plan = pipeline, plan

    def prefix(self, partition):
        return f"millrace/{self.pipeline}/{self.plan.job.name}/{partition.value or 'all'}"

    def sql_mark(self, partition):
        return self.prefix(partition) + "/sql"

    def input_mark(self, partition, snapshot, table):
        return f"{self.prefix(partition)}/{table}@{snapshot.id[:8]}"

    def move(self, change, partition, pinned):
        """Moves the marks of a partition in a change of the job's table, by compare-and-set."""
        from .errors import Refused

        for one in self.plan.inputs:
            snapshot = pinned[one.table]
            mark = self.input_mark(partition, snapshot, one.table)
            before = change.position(mark)
            if before is not None and before > snapshot.version:
                raise Refused(
                    f"table '{one.table}' stands at version {snapshot.version}, and version {before} of it was read before: it was put "
                    "back to an older state; give it a new name"
                )
            change.move(mark, snapshot.version)
        mark = self.sql_mark(partition)
        before = change.position(mark) or 0
        change.move(mark, (((before >> RUN_SHIFT) + 1) << RUN_SHIFT) | self.plan.fingerprint)

    def is_stale(self, output, partition, pinned):
        """It never ran so, or an input changed since. `output`: a snapshot of the job's table."""
        ran = output.position(self.sql_mark(partition))
        if ran is None or ran & (2**RUN_SHIFT - 1) != self.plan.fingerprint:
            return True
        for one in self.plan.inputs:
            snapshot = pinned[one.table]
            read = output.position(self.input_mark(partition, snapshot, one.table))
            if read is None or self.has_changed(one, snapshot, read, partition):
                return True
        return False

    def has_changed(self, one, snapshot, read, partition):
        for version in range(read + 1, snapshot.version + 1):
            actions = self.actions(snapshot.table, version)
            if actions is None:
                return True  # it is no longer kept
            if any(self.touches(one, action, partition) for action in actions) and operation_of(actions) not in NO_CHANGE:
                return True
        return False

    def actions(self, table, version):
        kept = self.__dict__.setdefault("_actions", {})
        key = (table.root, version)
        if key not in kept:
            kept[key] = table.actions(version)
        return kept[key]

    def touches(self, one, action, partition):
        file = action.get("add") or action.get("remove")
        if not file:
            return "metaData" in action
        if not file.get("dataChange", True):
            return False
        if one.is_wide or not one.demand:
            return True
        if not one.demand.is_equal:
            return may_hold(file, one.demand.column, partition)
        values = {column.lower(): value for column, value in (file.get("partitionValues") or {}).items()}
        return one.demand.column not in values or values[one.demand.column] == partition.value


def may_hold(file, column, partition):
    """Whether a file can have times of the partition in a column, as far as its statistics tell."""
    bounds = []
    try:
        stats = json.loads(file["stats"])
        for name in ("minValues", "maxValues"):
            values = {key.lower(): value for key, value in stats[name].items()}
            bounds.append(datetime.datetime.fromisoformat(values[column].replace("Z", "+00:00")))
        return bounds[0] < partition.end and bounds[1] >= partition.start
    except (KeyError, TypeError, ValueError, AttributeError):
        return True


def operation_of(actions):
    return next((action["commitInfo"].get("operation") for action in actions if "commitInfo" in action), "")

