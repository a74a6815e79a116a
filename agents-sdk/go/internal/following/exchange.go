package following

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/redis/go-redis/v9"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/steady"
)

const (
	keptSeconds = 86400
	visitMs     = 300_000
)

// ResyncMs is how often plans are read anew; programs that test the whole at a small size change it.
var ResyncMs = 30_000.0

// Around returns ms ± a fifth, so that a fleet does not act in step.
func Around(ms float64) float64 { return ms * (0.8 + 0.4*rand.Float64()) }

func (f *Follower) current() *session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.session
}

var errNoSession = errors.New("not connected")

// Read reads each plan and the time. An error has ended the session.
func (f *Follower) Read(ctx context.Context) error {
	s := f.current()
	if s == nil {
		return errNoSession
	}
	var commands [][]any
	for _, target := range f.Targets {
		commands = append(commands, []any{"GET", f.planKey(target)})
	}
	commands = append(commands, []any{"TIME"})
	sent := steady.Ms()
	answers, err := s.pipeline(ctx, commands)
	if err != nil {
		return err
	}
	received := steady.Ms()
	last := len(answers) - 1
	if said, err := answers[last].Slice(); err == nil && len(said) == 2 {
		var seconds, micros int64
		if _, err := fmt.Sscan(fmt.Sprint(said...), &seconds, &micros); err == nil {
			f.Listener.Time(float64(seconds)*1000+float64(micros)/1000, sent, received)
		}
	} else {
		f.Listener.Complain("TIME: " + text(err))
	}
	visit := f.Server.Kind == "cluster" && (!s.visited || sent >= s.visitAt)
	all := true
	for i, target := range f.Targets {
		if message, err := answers[i].Text(); err == nil {
			f.Listener.Message(target, message, false)
		} else if isMoved(err) {
			if i == 0 {
				s.fail(err)
				return err
			}
			if visit {
				all = f.readElsewhere(ctx, s, target, err) && all
			}
		} else {
			f.noNews(target, err)
		}
	}
	if visit && all {
		s.visited, s.visitAt = true, sent+Around(visitMs)
	}
	return nil
}

func (f *Follower) noNews(target string, err error) {
	if errors.Is(err, redis.Nil) || strings.HasPrefix(err.Error(), "ASK ") || strings.HasPrefix(err.Error(), "TRYAGAIN") {
		return
	}
	f.Listener.Complain(fmt.Sprintf("the plan of %s: %s", target, text(err)))
}

func (f *Follower) readElsewhere(ctx context.Context, s *session, target string, moved error) bool {
	answer, err := f.elsewhere(ctx, s, moved, "GET", f.planKey(target))
	if err != nil && !errors.Is(err, redis.Nil) {
		return false // tried again with the next read
	}
	if message, err := answer.Text(); err == nil {
		f.Listener.Message(target, message, false)
	}
	return true
}

// elsewhere sends a command where a MOVED points to, over a connection that lasts no longer.
func (f *Follower) elsewhere(ctx context.Context, s *session, err error, command ...any) (*redis.Cmd, error) {
	address := moved(err, s.client.Options().Addr)
	ctx, done := context.WithTimeout(ctx, answerTimeout)
	defer done()
	for range mostMoves {
		client := f.open(address, askTimeout, true)
		answer := client.Do(ctx, command...)
		_ = client.Close()
		if err = answer.Err(); err == nil || !isMoved(err) {
			return answer, err
		}
		address = moved(err, address)
	}
	return nil, err
}

// Write writes a report. An error has ended the session, or is told once.
func (f *Follower) Write(ctx context.Context, report Report, again bool) error {
	s := f.current()
	if s == nil {
		return errNoSession
	}
	first := f.Targets[0]
	key := contract.Key(f.Namespace, first, "agents")
	commands := [][]any{{"HSET", key, report.Field, report.Status}, {"EXPIRE", key, keptSeconds}}
	rows := [][]any{{"ZADD", f.Namespace + ":v1:reporting", report.AtMs, first}}
	if report.Version != "" {
		rows = append(rows, []any{"ZADD", f.Namespace + ":v1:versions", report.AtMs, report.Version})
	}
	if f.Server.Kind != "cluster" || again {
		commands = append(commands, rows...)
	}
	answers, err := s.pipeline(ctx, commands)
	if err != nil {
		return err
	}
	for i, answer := range answers {
		err := answer.Err()
		if err != nil && isMoved(err) && i >= 2 {
			_, err = f.elsewhere(ctx, s, err, commands[i]...)
		}
		if err != nil {
			f.Listener.Complain("a report was refused: " + text(err))
		}
	}
	return nil
}

// Leave deletes the report of an agent that ends in good order.
func (f *Follower) Leave(ctx context.Context, field string) {
	if s := f.current(); s != nil {
		_, _ = s.pipeline(ctx, [][]any{{"HDEL", contract.Key(f.Namespace, f.Targets[0], "agents"), field}})
	}
}

// pipeline returns an answer to each command; an error is the session's end.
func (s *session) pipeline(ctx context.Context, commands [][]any) ([]*redis.Cmd, error) {
	ctx, done := context.WithTimeout(ctx, answerTimeout)
	defer done()
	pipe := s.client.Pipeline()
	var answers []*redis.Cmd
	for _, command := range commands {
		answers = append(answers, pipe.Do(ctx, command...))
	}
	_, _ = pipe.Exec(ctx)
	for _, answer := range answers {
		err := answer.Err()
		if err == nil || errors.Is(err, redis.Nil) {
			continue
		}
		var said redis.Error
		if !errors.As(err, &said) || gone(err) {
			s.fail(err)
			return nil, err
		}
	}
	return answers, nil
}

// gone tells of a server that is not the one any more.
func gone(err error) bool {
	for _, it := range []string{"READONLY", "CLUSTERDOWN", "LOADING", "MASTERDOWN"} {
		if strings.HasPrefix(err.Error(), it) {
			return true
		}
	}
	return false
}

func isMoved(err error) bool { return strings.HasPrefix(err.Error(), "MOVED ") }

func text(err error) string {
	if err == nil {
		return "something else was answered"
	}
	return contract.Clean(err.Error(), 300)
}
