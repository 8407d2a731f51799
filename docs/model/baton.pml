/*
 * The protocol of service and agents: two controllers that take over from each
 * other, two hosts, one slot for both. See README.md for what is left out.
 *
 * Messages are sets. What was once sent may arrive at any time later, never, or
 * any number of times: that is loss, repetition, delay and reordering at once.
 * What would be refused changes nothing, so only what is obeyed is a step here.
 */

#ifndef EPOCHS
#define EPOCHS 3 /* lives of the service: so many less one failovers */
#endif
#ifndef FAULTS
#define FAULTS 2 /* crashes, reboots, failures of steps, in all */
#endif
#define ATTEMPTS 2 /* of each host */
#define HOSTS 2
#define CONTROLLERS 2

/* Phases of an agent's work, and states of an adapter. */
#define IDLE 0
#define ACCEPTED 1
#define CLOSED 2 /* prepared; the gate is closed */
#define PAUSED 3
#define SAVED 4
#define UNLOADED 5
#define RESTORED 6
#define RESUMED 7
#define CONFIRMED 8
#define COMMITTED 9
#define CANCELLING 10
#define CANCELLED_PHASE 11
#define ENDED 12
#define UNKNOWN 13 /* restarted; the shim was not asked yet */

/* How an attempt ends. NONE: it has not. */
#define NONE 0
#define DONE 1
#define CANCELLED 2
#define ROLLED_BACK 3
#define QUARANTINED 4

#define OLD 0
#define NEW 1

/* ---- What the service holds of a host. */
typedef Record {
  bool slot;
  bool cancel;
  byte attempt; /* the last one given out */
  byte end      /* of it, as reported */
};
typedef Memory {
  byte epoch; /* it leads as; 0: it does not think that it leads */
  Record host[HOSTS]
};
byte epoch = 0; /* in the store: the leader's */
Record store[HOSTS];
Memory memory[CONTROLLERS];

/* ---- What is on a host. */
typedef Host {
  /* The journal. */
  byte epoch;
  byte finished;
  byte attempt;
  bool back;   /* the way */
  bool paused; /* Pause was begun */
  bool known;  /* Prepare was done: which life of the shim it was with */
  /* What is lost with the agent. */
  byte phase;
  bool cancel;
  /* The shim. */
  byte adapter; /* CLOSED stands for PREPARED, IDLE for RUNNING */
  bool image;
  bool another_life; /* since the attempt was prepared */
  bool complete;     /* all blocks are saved */
  bool fresh;        /* and no engine has run since */
  bool gate_closed;
  /* Orders that were sent: a bit each. */
  byte start;
  byte stop;
  byte ends[3]; /* reports that were made, by attempt; NONE: not yet */
  /* For the assertions alone. */
  byte seen;      /* highest epoch obeyed */
  byte begun;     /* attempts: a bit each */
  bool unloaded;  /* in this attempt */
  bool confirmed; /* since */
  bool lifted     /* a person has looked at the quarantine */
};
Host host[HOSTS];
byte faults = 0;

#define BIT(e, a) (1 << (((e)-1) * ATTEMPTS + (a)-1))
#define ACTIVE(h) (host[h].phase != IDLE && host[h].phase != ENDED)
#define END(h) host[h].ends[host[h].attempt]
/* Out of service in truth, whatever the service knows. */
#define AWAY(h) \
  (ACTIVE(h) || (host[h].phase == ENDED && END(h) == QUARANTINED && \
                 !host[h].lifted))
#define FAULT_LEFT (faults < FAULTS)

/* ==== The agent ========================================================= */

inline finish(h, end_) {
  host[h].phase = ENDED;
  host[h].finished = host[h].attempt;
  host[h].ends[host[h].attempt] = end_;
  /* What nobody reads any more is set back, so that states fall together. */
  host[h].back = false;
  host[h].paused = false;
  host[h].known = false;
  host[h].cancel = false;
  host[h].another_life = false;
  host[h].adapter = IDLE;
  host[h].image = OLD;
  host[h].complete = false;
  host[h].fresh = false;
  host[h].unloaded = false;
  host[h].confirmed = false
}

inline begin(h, e, a) {
  assert(e >= host[h].seen);                 /* S3 */
  assert(!(host[h].begun & (1 << (a))));     /* S5 */
  assert(!AWAY(1 - h));                      /* S1 */
  assert(a >= host[h].attempt);              /* S13 */
  host[h].epoch = e;
  host[h].seen = e;
  host[h].begun = host[h].begun | (1 << (a));
  host[h].attempt = a;
  host[h].phase = ACCEPTED;
  host[h].lifted = false
}

#ifdef BUG_AGENT_UNFENCED
#define HEEDS(h, e) true
#else
#define HEEDS(h, e) ((e) >= host[h].epoch)
#endif
#ifdef BUG_NO_ATTEMPT
#define IS_NEW(h, a) true
#else
#define IS_NEW(h, a) ((a) > host[h].finished)
#endif

#define MAY_START(h, e, a) \
  ((host[h].start & BIT(e, a)) && HEEDS(h, e) && IS_NEW(h, a) && !ACTIVE(h))
/* Before its start came: the attempt ends here. */
#define MAY_BURY(h, e, a) \
  ((host[h].stop & BIT(e, a)) && HEEDS(h, e) && (a) > host[h].finished && \
   !ACTIVE(h))
#define MAY_STOP(h, e, a) \
  ((host[h].stop & BIT(e, a)) && HEEDS(h, e) && ACTIVE(h) && \
   (a) == host[h].attempt && !host[h].cancel)

inline bury(h, e, a) {
  assert(e >= host[h].seen); /* S3 */
  host[h].epoch = e;
  host[h].seen = e;
  host[h].attempt = a;
  finish(h, CANCELLED);
}

inline obey_stop(h, e) {
  assert(e >= host[h].seen); /* S3 */
  host[h].epoch = e;
  host[h].seen = e;
  host[h].cancel = true;
}

/* A wish to cancel is honoured between two steps, before the pause: from there
   the shim goes on by itself. */
#ifdef BUG_CANCEL_TOO_LATE
#define CANCELLABLE(h) \
  (!host[h].back && host[h].phase >= ACCEPTED && host[h].phase <= RESTORED)
#else
#define CANCELLABLE(h) \
  (!host[h].back && host[h].phase >= ACCEPTED && host[h].phase <= CLOSED)
#endif

/* What a step does to the adapter when it succeeds. */
inline effect(h) {
  if
  :: host[h].phase == ACCEPTED ->
     host[h].adapter = CLOSED; host[h].gate_closed = true
  :: host[h].phase == CLOSED -> host[h].adapter = PAUSED
  :: host[h].phase == PAUSED ->
     host[h].adapter = SAVED; host[h].complete = true; host[h].fresh = true
  :: host[h].phase == SAVED ->
     assert(host[h].complete && host[h].fresh); /* S2 */
     assert(host[h].gate_closed);               /* S2: nobody came */
     host[h].adapter = UNLOADED;
     host[h].unloaded = true; host[h].confirmed = false
  :: host[h].phase == UNLOADED ->
     assert(host[h].fresh); /* S4: what the guests had last */
     host[h].adapter = RESTORED; host[h].image = !host[h].back
  :: host[h].phase == RESTORED ->
     host[h].adapter = RESUMED; host[h].fresh = false
  :: host[h].phase == RESUMED ->
     host[h].adapter = CONFIRMED; host[h].confirmed = true
  :: host[h].phase == CONFIRMED ->
     host[h].adapter = IDLE; host[h].complete = false
  :: host[h].phase == CANCELLING ->
     assert(host[h].adapter <= SAVED); /* the old driver is still in */
     host[h].adapter = IDLE; host[h].complete = false; host[h].fresh = false
  :: else -> skip
  fi
}

/* What it does when it fails. The next driver's host dies; so does one that
   does not unload. */
inline failure(h) {
  if
  :: host[h].phase == SAVED ->
     host[h].adapter = UNLOADED;
     host[h].unloaded = true; host[h].confirmed = false
  :: else -> skip
  fi
}

inline reopen(h) {
  assert(!host[h].another_life);                                /* S4 */
  assert(host[h].adapter == IDLE || host[h].adapter == CONFIRMED);
  assert(!host[h].unloaded || host[h].confirmed);               /* S4 */
  host[h].gate_closed = false;
}

inline succeed(h) {
  if
  :: host[h].phase == ACCEPTED ->
     host[h].known = true; host[h].phase = CLOSED
  :: host[h].phase == COMMITTED ->
     reopen(h);
     if
     :: host[h].back -> finish(h, ROLLED_BACK)
     :: else -> finish(h, DONE)
     fi
  :: host[h].phase == CANCELLED_PHASE -> reopen(h); finish(h, CANCELLED)
  :: else -> host[h].phase = host[h].phase + 1
  fi;
  if
  :: host[h].phase == PAUSED -> host[h].paused = true
  :: else -> skip
  fi
}

/* What a failed step leads to: ARCHITECTURE's table. */
inline consequence(h) {
  if
  :: host[h].phase == COMMITTED || host[h].phase == CANCELLED_PHASE ->
     skip /* the gate is tried again */
  :: host[h].phase == CANCELLING || host[h].phase == CONFIRMED ->
     finish(h, QUARANTINED)
  :: host[h].back && host[h].phase < COMMITTED -> finish(h, QUARANTINED)
  :: !host[h].back && host[h].phase < SAVED ->
#ifdef BUG_UNLOAD_UNSAVED
     if
     :: host[h].phase == PAUSED -> host[h].phase = SAVED
     :: else -> host[h].phase = CANCELLING
     fi
#else
     host[h].phase = CANCELLING
#endif
  :: !host[h].back && host[h].phase == RESUMED ->
#ifdef BUG_RESUME_UNCONFIRMED
     host[h].adapter = IDLE; host[h].phase = COMMITTED
#else
     host[h].back = true; host[h].phase = CLOSED /* a reverse hot update */
#endif
  :: !host[h].back && host[h].phase >= SAVED && host[h].phase <= RESTORED ->
     host[h].back = true;
#ifndef BUG_STALE_BLOCKS
     if
     :: host[h].adapter == RESUMED -> host[h].phase = CLOSED
     :: else -> host[h].phase = SAVED /* the same blocks */
     fi
#else
     host[h].phase = SAVED
#endif
  fi
}

inline crash(h) {
  host[h].phase = UNKNOWN;
  host[h].cancel = false;
}

/* On the way back a shim that already unloaded repeats its answer. */
#define SAME_BLOCKS_AGAIN(h) \
  (host[h].back && host[h].phase == SAVED && host[h].adapter == UNLOADED)

inline inspect(h) {
  if
  :: host[h].another_life && host[h].known -> finish(h, QUARANTINED)
  :: host[h].another_life && !host[h].known ->
     host[h].another_life = false; host[h].phase = CANCELLING
  :: !host[h].another_life && !host[h].back ->
     if
     :: host[h].adapter == IDLE ->
        if
        :: host[h].paused && host[h].image == NEW -> host[h].phase = COMMITTED
        :: else -> host[h].phase = CANCELLING
        fi
     :: host[h].adapter == UNLOADED -> host[h].phase = UNLOADED
     :: host[h].adapter >= CLOSED && host[h].adapter <= SAVED ->
        host[h].phase = CANCELLING
     :: host[h].adapter == RESTORED ->
        host[h].back = (host[h].image == OLD); host[h].phase = RESTORED
     :: host[h].adapter >= RESUMED ->
        host[h].back = (host[h].image == OLD); host[h].phase = RESUMED
     fi
  :: !host[h].another_life && host[h].back ->
     if
     :: host[h].adapter == IDLE ->
        if
        :: host[h].image == OLD -> host[h].phase = COMMITTED
        :: else -> finish(h, QUARANTINED)
        fi
     :: host[h].adapter == CLOSED -> finish(h, QUARANTINED)
     :: host[h].adapter >= PAUSED && host[h].adapter <= UNLOADED ->
        host[h].phase = host[h].adapter
     :: host[h].adapter == RESTORED ->
        if
        :: host[h].image == OLD -> host[h].phase = RESTORED
        :: else -> host[h].phase = SAVED
        fi
     :: host[h].adapter >= RESUMED ->
        if
        :: host[h].image == OLD -> host[h].phase = RESUMED
        :: else -> host[h].phase = CLOSED
        fi
     fi
  fi
}

/* Everything of the host is gone with its power: vGPUs and saved blocks. */
inline reboot(h) {
  host[h].adapter = IDLE;
  host[h].image = OLD;
  host[h].complete = false;
  host[h].fresh = false;
  host[h].another_life = true;
  crash(h);
}

#define OBEY(e, a) \
  :: d_step { MAY_START(h, e, a) -> begin(h, e, a) } \
  :: d_step { MAY_BURY(h, e, a) -> bury(h, e, a) } \
  :: d_step { MAY_STOP(h, e, a) -> obey_stop(h, e) }

#define CAN_STEP(h) \
  (ACTIVE(h) && host[h].phase != UNKNOWN && \
   !(host[h].cancel && CANCELLABLE(h)))

proctype Agent(byte h) {
end:
  do
  OBEY(1, 1)
  OBEY(1, 2)
#if EPOCHS > 1
  OBEY(2, 1)
  OBEY(2, 2)
#endif
#if EPOCHS > 2
  OBEY(3, 1)
  OBEY(3, 2)
#endif
  :: d_step { host[h].cancel && CANCELLABLE(h) ->
       host[h].phase = CANCELLING; host[h].cancel = false }
#ifndef BUG_NOT_RESUMED
  :: d_step { host[h].phase == UNKNOWN -> inspect(h) }
#endif
  :: d_step { CAN_STEP(h) ->
       if
       :: SAME_BLOCKS_AGAIN(h) -> skip
       :: else -> effect(h)
       fi;
       succeed(h) }
  /* It fails. */
  :: d_step { CAN_STEP(h) && FAULT_LEFT -> faults++;
       failure(h); consequence(h) }
  /* It is done, and the answer is lost. */
  :: d_step { CAN_STEP(h) && FAULT_LEFT && host[h].phase >= SAVED &&
              host[h].phase <= CONFIRMED && !SAME_BLOCKS_AGAIN(h) ->
       faults++;
       effect(h); consequence(h) }
  /* The agent dies: before the step, after it, after its failure. */
  :: d_step { ACTIVE(h) && FAULT_LEFT -> faults++; crash(h) }
  :: d_step { CAN_STEP(h) && FAULT_LEFT && host[h].phase < COMMITTED ->
       faults++;
       if
       :: host[h].phase == CLOSED -> host[h].paused = true
       :: else -> skip
       fi;
       if
       :: SAME_BLOCKS_AGAIN(h) -> skip
       :: else -> effect(h)
       fi;
       crash(h) }
  :: d_step { CAN_STEP(h) && FAULT_LEFT && host[h].phase == SAVED ->
       faults++; failure(h); crash(h) }
  /* Or while the shim goes on by itself to the end of the blackout. */
  :: d_step { CAN_STEP(h) && FAULT_LEFT && host[h].phase >= CLOSED &&
              host[h].phase <= SAVED && !SAME_BLOCKS_AGAIN(h) ->
       faults++;
       host[h].paused = true;
       do
       :: host[h].phase <= RESTORED -> effect(h);
          host[h].phase = host[h].phase + 1
       :: else -> break
       od;
       crash(h) }
  :: d_step { ACTIVE(h) && FAULT_LEFT -> faults++; reboot(h) }
#ifdef BUG_FORGETFUL
  :: d_step { host[h].phase == ENDED && FAULT_LEFT -> faults++;
       host[h].finished = 0 }
#endif
  od
}

/* ==== The service ======================================================= */

#define LEADS(c) (memory[c].epoch > 0)
#ifdef BUG_STORE_UNFENCED
#define COMMITS(c) true
#else
#define COMMITS(c) (memory[c].epoch == epoch)
#endif

/* As it knows: a slot, or a quarantine. */
#define OUT(c, h) \
  (memory[c].host[h].slot || memory[c].host[h].end == QUARANTINED)
#define PENDING(c, h) \
  (!memory[c].host[h].slot && memory[c].host[h].attempt < ATTEMPTS && \
   (memory[c].host[h].end == NONE || memory[c].host[h].end == CANCELLED || \
    memory[c].host[h].end == ROLLED_BACK))

#ifdef BUG_BUDGET
#define WITHIN_BUDGET(c, h) true
#else
#define WITHIN_BUDGET(c, h) !OUT(c, 1 - h)
#endif

inline copy(from, to) {
  to.slot = from.slot;
  to.cancel = from.cancel;
  to.attempt = from.attempt;
  to.end = from.end;
}

inline order(c, h) {
  if
  :: memory[c].host[h].slot && memory[c].host[h].cancel ->
     host[h].stop = host[h].stop |
                    BIT(memory[c].epoch, memory[c].host[h].attempt)
  :: memory[c].host[h].slot && !memory[c].host[h].cancel ->
     host[h].start = host[h].start |
                     BIT(memory[c].epoch, memory[c].host[h].attempt)
  :: else -> skip
  fi
}

/* Writes what memory holds, or learns that another one leads. */
inline commit(c, h) {
  if
  :: COMMITS(c) ->
     assert(memory[c].host[h].attempt >= store[h].attempt); /* S13 */
     copy(memory[c].host[h], store[h])
  :: else -> stand_down(c)
  fi
}

inline stand_down(c) {
  memory[c].epoch = 0;
  memory[c].host[0].slot = false; memory[c].host[1].slot = false;
  memory[c].host[0].cancel = false; memory[c].host[1].cancel = false;
  memory[c].host[0].attempt = 0; memory[c].host[1].attempt = 0;
  memory[c].host[0].end = NONE; memory[c].host[1].end = NONE;
}

/* Starts, or takes over: from what was committed. */
inline take_over(c) {
  epoch++;
  memory[c].epoch = epoch;
  copy(store[0], memory[c].host[0]);
  copy(store[1], memory[c].host[1]);
#ifndef BUG_NOT_REPEATED
  order(c, 0);
  order(c, 1)
#endif
}

inline admit(c, h) {
  memory[c].host[h].slot = true;
  memory[c].host[h].cancel = false;
  memory[c].host[h].attempt++;
  memory[c].host[h].end = NONE;
#ifdef BUG_SENT_UNCOMMITTED
  order(c, h);
#endif
  commit(c, h);
}

#ifdef BUG_ANY_REPORT
#define REPORTED(c, h) \
  (host[h].ends[1] != NONE || host[h].ends[2] != NONE)
#else
#define REPORTED(c, h) (host[h].ends[memory[c].host[h].attempt] != NONE)
#endif

#define ENDED_THERE(c, h) (host[h].finished >= memory[c].host[h].attempt)

inline take_report(c, h) {
  assert(!COMMITS(c) || ENDED_THERE(c, h)); /* S11 */
  memory[c].host[h].slot = false;
  memory[c].host[h].end = host[h].ends[memory[c].host[h].attempt];
  commit(c, h);
}

#define SERVE(h) \
  :: d_step { LEADS(c) && PENDING(c, h) && WITHIN_BUDGET(c, h) -> \
       admit(c, h); order(c, h) } \
  /* It dies after the commit, before the order. */ \
  :: d_step { LEADS(c) && PENDING(c, h) && WITHIN_BUDGET(c, h) && \
              epoch < EPOCHS -> \
       admit(c, h); stand_down(c) } \
  :: d_step { LEADS(c) && memory[c].host[h].slot && REPORTED(c, h) -> \
       take_report(c, h) }

proctype Controller(byte c) {
end:
  do
  :: d_step { epoch < EPOCHS -> take_over(c) }
  SERVE(0)
  SERVE(1)
#ifdef BUG_SLOT_TIMES_OUT
  :: d_step { LEADS(c) && memory[c].host[0].slot && FAULT_LEFT -> faults++;
       memory[c].host[0].slot = false; memory[c].host[0].end = CANCELLED;
       commit(c, 0) }
#endif
  od
}

/* Aborts once, lifts a quarantine once, or goes home. */
proctype Operator() {
  byte c = 0;
  do
  :: d_step { LEADS(0) && memory[0].host[0].slot &&
              !memory[0].host[0].cancel ->
       memory[0].host[0].cancel = true; commit(0, 0); order(0, 0) };
     break
  :: break
  od;
  do
  :: d_step { LEADS(1) && memory[1].host[1].end == QUARANTINED &&
              !memory[1].host[1].slot && COMMITS(1) ->
       memory[1].host[1].end = DONE; host[1].lifted = true;
       host[1].gate_closed = false; commit(1, 1) };
     break
  :: break
  od
}

bool tick = false;

init {
  atomic {
    run Agent(0);
    run Agent(1);
    run Controller(0);
    run Controller(1);
    run Operator()
  }
#ifdef LIVENESS
  /* Time goes on though nothing happens: Spin's weak fairness overlooks runs
     that stop. */
  do
  :: tick = !tick
  od
#endif
}

/* ==== Liveness, under weak fairness ===================================== */

/* Nothing is left to do for a host: it ended, and the service knows. */
#define SETTLED(h) \
  (!store[h].slot && (store[h].end == DONE || store[h].end == QUARANTINED || \
                      store[h].attempt == ATTEMPTS) && \
   store[h].attempt > 0)
/* A host may wait for ever behind one that is quarantined: S1 says so. */
#define HELD(h) (!store[h].slot && store[1 - (h)].end == QUARANTINED)

/* L1: what was begun ends, whatever becomes of the controllers. */
ltl ends { [] ((ACTIVE(0) -> <> !ACTIVE(0)) && (ACTIVE(1) -> <> !ACTIVE(1))) }
/* L4: the rollout finishes. L2: and service and agents agree. */
ltl finishes { <> [] ((SETTLED(0) || HELD(0)) && (SETTLED(1) || HELD(1)) &&
                      !ACTIVE(0) && !ACTIVE(1)) }
