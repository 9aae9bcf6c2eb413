package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"vigil/internal/tower"
)

// behindAlarm is how many blocks the tower may lag before it warns: more than
// two in a row may come while one is being processed.
const behindAlarm = 3

// Info completes what the tower knows of itself.
func (c *core) Info(ctx context.Context) (tower.Info, error) {
	info, err := c.Tower.Info(ctx)
	if err != nil {
		return info, err
	}
	d := c.daemon
	info.Network, info.Version = directoryOf(d.settings.network), version
	info.InNode, info.Backends, info.Started = d.inNode, d.backends(), c.started
	if info.Access = accessOpen; d.settings.terms.Invited {
		info.Access = accessInvited
	}
	info.MaxUsers = d.settings.terms.MaxUsers
	status := c.follower.Status()
	info.SourceHeight = status.Height
	if status.Err != nil {
		info.SourceError = cut(status.Err.Error())
	}
	if api := c.api.Load(); api != nil && api.Addr() != "" {
		info.API = []string{api.Addr()}
	}
	info.Failing = d.failing()
	info.StoreError = cut(info.StoreError)
	info.DiskUsed, info.DiskFree = d.disk()
	info.Entrances = d.entrances(c.api.Load(), c.reach.Load())
	info.Warnings = append(warnings(info), d.settings.backendWarnings(info)...)
	info.Warnings = append(info.Warnings, d.doorWarnings(c.api.Load())...)
	if r := c.reach.Load(); r != nil {
		info.Warnings = append(info.Warnings, r.warnings()...)
		info.API = append(info.API, r.secureAddr()...)
	}
	info.Admin = d.watch.Addr()
	info.Warnings = append(info.Warnings, d.watch.warnings()...)
	for i := range info.Warnings {
		info.Warnings[i].Text = d.settings.inWords(info.Warnings[i].Text)
	}
	info.NotGuarding = notGuarding(info)
	return info, nil
}

// disk returns how much of the disk the data directory's files take, and how much
// is free for this user, in bytes; 0 where that can't be told.
func (d *daemon) disk() (used, free int64) {
	for _, name := range []string{storeFile, storeFile + "-wal", storeFile + "-shm", reserveFile} {
		info, err := os.Stat(d.path(name))
		if err == nil {
			used += info.Size()
		} else if !errors.Is(err, fs.ErrNotExist) {
			return 0, 0
		}
	}
	var stat unix.Statfs_t
	if err := unix.Statfs(d.settings.dataDir, &stat); err != nil {
		return used, 0
	}
	return used, int64(stat.Bavail) * int64(stat.Bsize) //nolint:gosec,unconvert // no disk has 2^63 bytes; types differ by platform
}

// maxError is how much of an error the operator is shown, in bytes.
const maxError = 300

func cut(text string) string {
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}

// notGuarding says why the tower does not do what it is for, "" where it does.
func notGuarding(i tower.Info) string {
	behind := int64(i.SourceHeight) - int64(i.Height)
	switch {
	case i.Height == 0 && i.SourceError == "" && i.SourceHeight == 0:
		return "it has not seen a block yet (on a new chain it begins with block 1)"
	case i.Height == 0 && i.SourceError == "":
		return "it has not seen a block yet"
	case i.SourceError != "":
		return "the chain can't be followed"
	case behind >= behindAlarm:
		return fmt.Sprintf("it is %d blocks behind the chain", behind)
	case i.StoreError != "":
		return "its store fails"
	}
	return ""
}

// warnings says in plain words what the operator should act on.
func warnings(i tower.Info) (list []tower.Warning) {
	add := func(kind tower.WarningKind, format string, args ...any) {
		list = append(list, tower.Warning{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
	if i.SourceError != "" {
		add(tower.WarnChain, "the chain can't be followed now, breaches are not seen: %s", i.SourceError)
	}
	if i.StoreError != "" {
		add(tower.WarnStore, "the store can't be written to, no appointment is accepted, and what breaches are answered is not recorded: make room on the disk or repair it; it says: %s", i.StoreError)
	}
	if behind := int64(i.SourceHeight) - int64(i.Height); behind >= behindAlarm {
		add(tower.WarnBehind, "the tower is %d blocks behind the chain and catching up", behind)
	}
	for _, r := range i.Blind {
		add(tower.WarnBlind, "blocks %d to %d were never seen: the backend had pruned them while the tower was away", r.From, r.To)
	}
	if n := i.Pending - i.Refused; n > 0 {
		add(tower.WarnBreach, "%s for the penalty to confirm; it is in the mempool or on its way there", several(n, "breach waits", "breaches wait"))
	}
	if i.Refused > 0 {
		add(tower.WarnRefused, "%s refused by the Bitcoin backend, and tried again at every block; it says: %s",
			several(i.Refused, "penalty is", "penalties are"), i.Refusal)
	}
	return list
}

func several(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
