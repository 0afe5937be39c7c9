package device

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// queueCommand makes a step's live device wait for a command, and gives its id. The same command that its agent has not
// got yet is not queued again. ok is false when too many wait already.
func (s *Service) queueCommand(ctx context.Context, tx Tx, d *Device, c *Command) (ok bool, err error) {
	open, err := tx.OpenCommands(ctx, d.Account, d.ID)
	if err != nil {
		return false, err
	}
	for i := range open {
		if open[i].State == CommandQueued && open[i].Kind == c.Kind && open[i].Params.equal(&c.Params) && open[i].ExpiresAt.After(c.CreatedAt) {
			*c = open[i]
			return true, nil
		}
	}
	if len(open) >= MaxOpenCommands {
		return false, nil
	}
	c.ID = posture.NewID(c.CreatedAt, s.random)
	err = tx.InsertCommand(ctx, d.Account, c)
	if err != nil {
		return false, err
	}
	return true, s.record(ctx, tx, d, d.Cell.Status, note{c.CreatedAt, event.CommandQueued, c.Actor, string(c.Kind)})
}

// Commands gives what an agent that calls is to do, the oldest first: everything that it was told and has not answered,
// so that an answer of the server that was lost loses nothing. What is given for the first time is on disk as delivered.
// For a device for which nothing waits it costs a look into memory.
func (s *Service) Commands(ctx context.Context, ref Ref) ([]Command, error) {
	waiting, noted, err := s.watch.waiting(ctx, ref)
	if err != nil || !waiting {
		return nil, err
	}
	open, err := s.store.OpenCommands(ctx, ref.Account, ref.ID)
	if err != nil {
		return nil, err
	}
	if len(open) == 0 {
		s.watch.drop(ref, noted)
		return nil, nil
	}
	at := s.clock()
	if slices.ContainsFunc(open, func(c Command) bool { return c.State == CommandQueued }) {
		err = s.changeLive(ctx, ref, func(tx Tx, _, d *Device) error {
			var err error
			open, err = tx.OpenCommands(ctx, d.Account, d.ID)
			if err != nil {
				return err
			}
			return deliver(ctx, tx, d.Account, open, at)
		})
	}
	if errs.Is(err, errs.NotFound) {
		return nil, nil // the device has gone, and with it what it was to do
	}
	return slices.DeleteFunc(open, func(c Command) bool { return !c.ExpiresAt.After(at) }), err
}

// LookForCommands notes the devices for which other servers queued commands since the last call. Run calls it.
func (s *Service) LookForCommands(ctx context.Context) error { return s.watch.refresh(ctx) }

func deliver(ctx context.Context, tx Tx, account posture.AccountID, open []Command, at time.Time) error {
	for i := range open {
		c := &open[i]
		if c.State != CommandQueued || !c.ExpiresAt.After(at) {
			continue
		}
		err := tx.DeliverCommand(ctx, account, c.ID, at)
		if err != nil {
			return err
		}
		c.State, c.DeliveredAt = CommandDelivered, at
	}
	return nil
}

// CommandResult stores what became of a command of the device, by its id; or, for agents that know no ids, of the oldest
// one of a kind that was delivered. What is about no open command is ignored: an agent may say things twice, or late.
// TooLarge: the output has more than MaxCommandOutput bytes.
func (s *Service) CommandResult(ctx context.Context, ref Ref, id string, kind CommandKind, ok bool, message string, output []byte) error {
	if len(output) > MaxCommandOutput {
		return errs.New(errs.TooLarge, "The output of a command may have at most %d bytes", MaxCommandOutput)
	}
	if id == "" && !kind.known() {
		return nil
	}
	at := s.clock()
	err := s.changeLive(ctx, ref, func(tx Tx, _, d *Device) error {
		open, err := tx.OpenCommands(ctx, d.Account, d.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(open, func(c Command) bool {
			return c.ID == id || id == "" && c.Kind == kind && c.State == CommandDelivered
		})
		if i < 0 {
			return errNothingToDo
		}
		c := &open[i]
		c.State, c.EndedAt, c.Output, c.Message = CommandDone, at, output, clip(message, MaxCommandMessage)
		if !ok {
			c.State = CommandFailed
		}
		return s.endCommand(ctx, tx, d.Account, c)
	})
	if errors.Is(err, errNothingToDo) || errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// clip keeps the first characters of a text.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}

// endCommand stores how a command ended, and records it, unless it had ended.
func (s *Service) endCommand(ctx context.Context, tx Tx, account posture.AccountID, c *Command) error {
	was, err := tx.EndCommand(ctx, account, c)
	if err != nil || !was {
		return err
	}
	return tx.Record(ctx, event.Event{
		Account: account, ID: posture.NewID(c.EndedAt, s.random), At: c.EndedAt, Kind: event.CommandEnded, DeviceID: c.DeviceID,
		Detail: string(c.Kind) + ": " + c.State.String(),
	})
}

// endCommands ends what an agent was to do that is being removed.
func (s *Service) endCommands(ctx context.Context, tx Tx, d *Device, at time.Time) error {
	open, err := tx.OpenCommands(ctx, d.Account, d.ID)
	if err != nil {
		return err
	}
	for i := range open {
		c := &open[i]
		c.State, c.EndedAt, c.Message = CommandFailed, at, "The agent was removed"
		err = s.endCommand(ctx, tx, d.Account, c)
		if err != nil {
			return err
		}
	}
	return nil
}

// Command gives a command with its output. NotFound: none of the account.
func (s *Service) Command(ctx context.Context, account posture.AccountID, id string) (Command, error) {
	return s.store.Command(ctx, account, id)
}

// commandPage is how many commands one step of the periodic work ends or forgets: reports wait for each step.
const commandPage = 200

// TidyCommands ends the commands whose time is up, and forgets those that ended CommandKept ago, of all accounts.
func (s *Service) TidyCommands(ctx context.Context) error {
	for n := commandPage; n == commandPage && ctx.Err() == nil; {
		var err error
		n, err = s.expireSome(ctx)
		if err != nil {
			return err
		}
	}
	for n := int64(commandPage); n == commandPage && ctx.Err() == nil; {
		var err error
		n, err = s.store.ForgetCommands(ctx, s.clock().Add(-CommandKept), commandPage)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) expireSome(ctx context.Context) (n int, err error) {
	at := s.clock()
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		list, err := tx.ExpiredCommands(ctx, at, commandPage)
		n = len(list)
		if err != nil {
			return err
		}
		for i := range list {
			c := &list[i].Command
			c.State, c.EndedAt = CommandExpired, at
			err = s.endCommand(ctx, tx, list[i].Account, c)
			if err != nil {
				return err
			}
		}
		return nil
	}})
	return n, err
}
