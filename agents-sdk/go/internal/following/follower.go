package following

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"upshift.example/upshift/internal/contract"
	"upshift.example/upshift/internal/steady"
)

// A Listener decides what messages mean. Its methods are called one at a time of each session, and
// never wait.
type Listener interface {
	// Message takes a plan that was pushed to, or read for, a target.
	Message(target, message string, pushed bool)
	// Time is told what TIME answered, and when it was asked and answered, of the steady clock.
	Time(redisMs, sentMs, receivedMs float64)
	// Connected is told after the first read of a session (true), and when it has ended.
	Connected(now bool)
	// Complain logs what went wrong with one target or report, once.
	Complain(text string)
}

// A Report is a status to be written.
type Report struct {
	Field, Status, Version string
	AtMs                   int64
}

// A Follower holds an agent's connections. Fields in capitals are set before Run.
type Follower struct {
	Server    Server
	TLS       *tls.Config
	Namespace string
	Targets   []string
	Listener  Listener
	Log       func(warning bool, text string)

	nodes map[string]bool // that a cluster has pointed to

	mu      sync.Mutex
	session *session
}

type session struct {
	client  *redis.Client
	pubsub  *redis.PubSub
	failed  chan struct{} // closed with the first error of a read or report
	err     error
	once    sync.Once
	visitAt float64 // steady ms: other servers of a cluster
	visited bool
}

func (s *session) fail(err error) {
	s.once.Do(func() {
		s.err = err
		close(s.failed)
		_ = s.pubsub.Close() // wakes the subscription
		_ = s.client.Close()
	})
}

func (f *Follower) planKey(target string) string { return contract.Key(f.Namespace, target, "plan") }

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	f.nodes = map[string]bool{}
	outage := false
	failures := 0
	for ctx.Err() == nil {
		var readAt float64
		err := f.one(ctx, func() {
			readAt = steady.Ms()
			if outage {
				f.Log(false, fmt.Sprintf("following plans from %s again", f.Server))
			}
			outage = false
		})
		if ctx.Err() != nil {
			return
		}
		if !outage {
			f.Log(true, fmt.Sprintf("no connection to %s (%s); leases held run to their end, then the baseline "+
				"applies; trying again until it is back", f.Server, contract.Clean(err.Error(), 300)))
			outage = true
		}
		failures++
		if readAt > 0 && steady.Ms()-readAt > 10_000 {
			failures = 0
		}
		longest := min(100<<min(failures, 6), 3000)
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration((0.5 + rand.Float64()/2) * float64(longest) * float64(time.Millisecond))):
		}
	}
}

// one is one session, to its end; its plans were read when found is called.
func (f *Follower) one(ctx context.Context, found func()) (err error) {
	defer func() { // what a server sends may be anything, and so may a library make of it
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("%v", panicked)
		}
	}()
	client, err := f.find(ctx)
	if err != nil {
		return err
	}
	s := &session{client: client, failed: make(chan struct{})}
	s.pubsub = client.Subscribe(ctx)
	stop := context.AfterFunc(ctx, func() { s.fail(ctx.Err()) })
	defer func() {
		stop()
		s.fail(errors.New("ended"))
		f.mu.Lock()
		f.session = nil
		f.mu.Unlock()
		f.Listener.Connected(false)
	}()
	if err := f.subscribe(ctx, s); err != nil {
		return err
	}
	f.mu.Lock()
	f.session = s
	f.mu.Unlock()
	if err := f.Read(ctx); err != nil {
		return err
	}
	found()
	f.Listener.Connected(true)
	err = f.listen(ctx, s)
	select {
	case <-s.failed:
		return s.err
	default:
		return err
	}
}

func (f *Follower) subscribe(ctx context.Context, s *session) error {
	var classic, sharded []string
	for _, target := range f.Targets {
		channel := contract.Key(f.Namespace, target, "changes")
		if f.Server.Kind == "cluster" && len(target) > 8 && target[:8] == "service/" {
			sharded = append(sharded, channel)
		} else {
			classic = append(classic, channel)
		}
	}
	dialing, done := context.WithTimeout(ctx, answerTimeout)
	defer done()
	if len(sharded) > 0 {
		if err := s.pubsub.SSubscribe(dialing, sharded...); err != nil {
			return err
		}
	}
	if err := s.pubsub.Subscribe(dialing, classic...); err != nil {
		return err
	}
	for range f.Targets {
		got, err := s.pubsub.ReceiveTimeout(dialing, answerTimeout)
		if err != nil {
			return err
		}
		if message, ok := got.(*redis.Message); ok {
			f.pushed(message)
		}
	}
	return nil
}

// listen takes what is pushed until the session ends.
func (f *Follower) listen(ctx context.Context, s *session) error {
	asked := false
	for {
		patience := 10 * time.Second
		if asked {
			patience = answerTimeout
		}
		got, err := s.pubsub.ReceiveTimeout(ctx, patience)
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout() && !asked:
			if err := s.pubsub.Ping(ctx); err != nil {
				return err
			}
			asked = true
			continue
		default:
			return err
		}
		asked = false
		switch got := got.(type) {
		case *redis.Message:
			f.pushed(got)
		case *redis.Subscription:
			if got.Kind == "sunsubscribe" || got.Kind == "unsubscribe" {
				return errors.New("the slot has moved")
			}
		}
	}
}

func (f *Follower) pushed(message *redis.Message) {
	for _, target := range f.Targets {
		if contract.Key(f.Namespace, target, "changes") == message.Channel {
			f.Listener.Message(target, message.Payload, true)
		}
	}
}
