// Package upshift follows the plans of one service and drives one profiler. An alert raises the
// frequency for a while; every agent comes back to its baseline by itself, on time, also with the
// controller and Redis gone.
//
//	agent, err := upshift.Start(ctx, upshift.Config{
//		RedisURL: "redis://127.0.0.1:6379",
//		Service:  "checkout",
//		Driver:   pprofdriver.New(pprofdriver.Config{ServerAddress: "http://pyroscope:4040"}),
//	})
//
// An error means a wrong setting, and nothing was started. After that nothing panics into the
// application and nothing waits on its goroutines: trouble is one line of the log, and is told in the
// status. Without Redis the profiler runs at the agent's own baseline.
package upshift

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/following"
	"upshift.example/upshift/internal/steady"
)

// Version is this SDK's.
const Version = "0.1.0"

// An Agent follows plans until its context ends or it is stopped.
type Agent struct {
	engine *engine
	cancel context.CancelFunc
	done   chan struct{}
}

// Start starts an agent and returns at once. Its end is that of ctx, or Stop.
func Start(ctx context.Context, config Config) (*Agent, error) {
	settings, err := config.check()
	if err != nil {
		return nil, err
	}
	e := newEngine(config, settings)
	running, cancel := context.WithCancel(ctx)
	agent := &Agent{engine: e, cancel: cancel, done: make(chan struct{})}
	var both sync.WaitGroup
	both.Add(2)
	// Both live on until the end is told, so that the report is deleted over a connection that stands.
	follow, gone := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer both.Done()
		e.follower.Run(follow)
	}()
	go func() {
		defer both.Done()
		e.identify()
		e.run(running)
		e.leave()
		gone()
	}()
	context.AfterFunc(running, func() {
		both.Wait()
		close(agent.done)
	})
	return agent, nil
}

func newEngine(config Config, settings settings) *engine {
	now := steady.Ms()
	e := &engine{settings: settings, secrets: settings.secrets, driver: config.Driver, log: logger(config.Logger),
		attributes: settings.attributes, targets: settings.targets, profiles: settings.profiles,
		driverName: settings.driverName, wake: make(chan struct{}, 1), clock: contract.NewClock(steady.WallMs(), now),
		held: map[string]*contract.Held{}, refused: map[string]string{}, complaints: map[string]bool{},
		wallOffset: steady.WallMs() - now, readAt: now, reportAt: now, state: "applying"}
	e.sinceMs = e.clock.NowMs(now)
	e.follower = &following.Follower{Server: settings.server, TLS: config.TLS, Namespace: settings.namespace,
		Targets: settings.targets, Listener: e, Log: e.log}
	return e
}

func (e *engine) identify() {
	defer func() {
		if panicked := recover(); panicked != nil {
			e.Complain(fmt.Sprintf("driver %s: panic: %v", e.driverName, panicked))
		}
	}()
	if driver, able := e.driver.(Identified); able {
		driver.Identify(maps.Clone(e.attributes))
	}
}

// logger guards against handlers that panic or hang: a line goes to at most one goroutine at a time,
// and what comes meanwhile is dropped after the first hundred.
func logger(to *slog.Logger) func(bool, string) {
	if to == nil {
		to = slog.Default()
	}
	to = to.With("logger", "upshift_agent")
	var mu sync.Mutex
	var waiting []slog.Record
	busy := false
	write := func() {
		for {
			mu.Lock()
			if len(waiting) == 0 {
				busy = false
				mu.Unlock()
				return
			}
			record := waiting[0]
			waiting = waiting[1:]
			mu.Unlock()
			func() {
				defer func() { _ = recover() }()
				if to.Enabled(context.Background(), record.Level) {
					_ = to.Handler().Handle(context.Background(), record)
				}
			}()
		}
	}
	return func(warning bool, text string) {
		level := slog.LevelInfo
		if warning {
			level = slog.LevelWarn
		}
		mu.Lock()
		defer mu.Unlock()
		if len(waiting) < 100 {
			waiting = append(waiting, slog.NewRecord(time.Now(), level, contract.Clean(text, 2000), 0))
		}
		if !busy {
			busy = true
			go write()
		}
	}
}

// leave ends in good order: the report is deleted, the profiler closed or left at its baseline.
func (e *engine) leave() {
	ctx, done := context.WithTimeout(context.Background(), time.Second)
	defer done()
	e.follower.Leave(ctx, e.attributes[contract.AgentID])
	e.mu.Lock()
	busy := e.driving.calling
	resting := e.resting()
	e.mu.Unlock()
	if busy {
		return // it does not return; nothing may wait for it
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = recover() }()
		if closer, able := e.driver.(io.Closer); able {
			_ = closer.Close()
			return
		}
		_ = call(ctx, e.driver, resting)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// Stop ends the agent in good order, and waits for that no longer than ctx lasts.
func (a *Agent) Stop(ctx context.Context) error {
	a.cancel()
	select {
	case <-a.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("upshift: the agent is still ending: %w", ctx.Err())
	}
}

// Decisions returns what is wanted now, by profile.
func (a *Agent) Decisions() map[string]Decision {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	return maps.Clone(a.engine.driving.wanted)
}

// Connected tells whether plans are followed at the moment.
func (a *Agent) Connected() bool {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	return a.engine.connected
}

// Status returns the report of this moment, as JSON.
func (a *Agent) Status() string {
	a.engine.mu.Lock()
	defer a.engine.mu.Unlock()
	written, err := contract.ToJSON(a.engine.status(steady.Ms()))
	if err != nil {
		return "{}"
	}
	return string(written)
}
