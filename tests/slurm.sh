#!/usr/bin/env bash
# A whole Slurm on this machine, for the tests: slurm.sh start FOLDER, slurm.sh stop FOLDER.
# Everything of it lies in FOLDER but a link at /etc/slurm/slurm.conf: the executor's job steps drop SLURM_CONF from
# their environment. A machine that has a Slurm of its own is left alone.
set -euo pipefail
verb=$1 folder=$2
host=$(hostname -s)
# Debian keeps the daemons where only root looks
PATH=$PATH:/usr/sbin:/sbin
settings=$folder/slurm.conf
link=/etc/slurm/slurm.conf

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

write_settings() {
    mkdir -p "$folder/state" "$folder/spool"
    cat >"$settings" <<SETTINGS
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# no cgroups, no accounting: what a container or a bare virtual machine allows. linuxproc would lose sight of, and so never
# kill, a Snakemake whose shell ended before it.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# a job above its memory is killed, seen once a second
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
# finished jobs are kept in sight, for the executor and for the tests
MinJobAge=86400
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(($(nproc) > 2 ? $(nproc) : 2)) RealMemory=20000 Gres=gpu:1
PartitionName=test Nodes=$host Default=YES MaxTime=120 State=UP
SETTINGS
    # no card is behind it: it is there to be asked for
    echo "NodeName=$host Name=gpu File=/dev/null" >"$folder/gres.conf"
    head -c 128 /dev/urandom >"$folder/munge.key"
    chmod 600 "$folder/munge.key"
}

start() {
    if [ -e "$link" ]; then
        echo "$link is there already: this machine has a Slurm, or one of these tests was not stopped" >&2
        exit 1
    fi
    write_settings
    mkdir -p "$(dirname "$link")"
    # a link that leads nowhere is left of a run that was killed
    ln -sf "$settings" "$link"
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
    slurmctld -c -f "$settings"
    slurmd -c -f "$settings"
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ]; then return; fi
        sleep 1
    done
    tail -n 20 "$folder"/slurmctld.log "$folder"/slurmd.log >&2
    exit 1
}

stop() {
    scancel --user="$(id -un)" 2>/dev/null || true
    sleep 1
    for daemon in slurmd slurmctld munged; do
        if [ -f "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true; fi
    done
    if [ "$(readlink "$link")" = "$settings" ]; then rm "$link"; fi
}

"$verb"
