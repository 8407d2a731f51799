"""What a rollout on a lab fleet came to."""

import sys

_ENDS = {"DONE": "done", "ROLLED_BACK": "rolled_back", "CANCELLED": "cancelled",
         "QUARANTINED": "quarantined"}


def _milliseconds(duration):
    """Returns the milliseconds of a protobuf JSON duration such as "0.012s"."""
    return round(float(duration.rstrip("s")) * 1000, 3)


def _rank(values, share):
    """Returns the nearest-rank percentile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)] if ordered else 0


def of_rollout(fleet):
    """Counts hosts, vGPUs and blackouts of the rollout "demo"."""
    rollout = fleet.baton_json("rollout", "get", "demo")
    updates = fleet.baton_json("rollout", "get", "demo", "--updates")["updates"]
    hosts = {"total": len(fleet.hosts), "done": 0, "rolled_back": 0, "cancelled": 0,
             "quarantined": 0}
    blackouts, lost = [], 0
    for update in updates:
        end = _ENDS.get(update["state"].replace("UPDATE_STATE_", ""))
        if end:
            hosts[end] += 1
        for vgpu in update.get("vgpus", []):
            lost += not vgpu.get("preserved", False)
            if "blackout" in vgpu:
                blackouts.append(_milliseconds(vgpu["blackout"]))
    hosts["untouched"] = hosts["total"] - sum(hosts[end] for end in _ENDS.values())
    total = len(fleet.hosts) * fleet.vgpus
    return {
        "rollout": {"state": rollout["state"].replace("ROLLOUT_STATE_", "")},
        "hosts": hosts,
        "vgpus": {"total": total, "preserved": total - lost, "lost": lost},
        "guests": {},
        "blackout_ms": {"p50": _rank(blackouts, 50), "p99": _rank(blackouts, 99),
                        "max": max(blackouts, default=0)},
        "seconds": 0,
    }


def of_guests(reports):
    """Adds up what the guests say."""
    def total(*keys):
        return sum(report[key] for report in reports for key in keys)

    return {"commands": total("commands"), "lost": total("lost"),
            "duplicated": total("duplicated"),
            "wrong": total("wrong", "reordered", "faults", "mailbox_errors"),
            "stalls": total("stalls")}


def show(result):
    """Prints it for people."""
    hosts, vgpus, guests = result["hosts"], result["vgpus"], result["guests"]
    blackout = result["blackout_ms"]
    print(f"""
rollout   {result['rollout']['state']}
hosts     {hosts['done']} of {hosts['total']} done, {hosts['rolled_back']} rolled back, \
{hosts['cancelled']} cancelled, {hosts['quarantined']} quarantined, {hosts['untouched']} untouched
vGPUs     {vgpus['preserved']} of {vgpus['total']} preserved, {vgpus['lost']} lost
guests    {guests['commands']:,} commands: {guests['lost']} lost, {guests['duplicated']} \
duplicated, {guests['wrong']} wrong, {guests['stalls']} stalls
blackout  {blackout['p50']} ms median, {blackout['p99']} ms p99, {blackout['max']} ms longest
took      {result['seconds']} s""", file=sys.stderr)


def verdict(result, faults):
    """Returns the exit code: 0 when nothing was lost, and the rollout succeeded
    unless it was meant to meet a fault."""
    guests = result["guests"]
    harmed = result["vgpus"]["lost"] + sum(guests.get(key, 0) for key in
                                           ("lost", "duplicated", "wrong"))
    if harmed or (not faults and result["rollout"]["state"] != "SUCCEEDED"):
        return 1
    return 0
