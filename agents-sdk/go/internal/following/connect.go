package following

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	answerTimeout = 5 * time.Second
	askTimeout    = 2 * time.Second // of a sentinel, or a node that is asked the way
	mostMoves     = 5
)

// open returns a client of one server, which connects with its first command. Everything that
// go-redis does by itself is off: a lost connection has to be seen, and what an agent may send is few.
func (f *Follower) open(address string, timeout time.Duration, login bool) *redis.Client {
	options := &redis.Options{Addr: address, Protocol: 2, MaxRetries: -1, DialerRetries: 1, PoolSize: 1,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		ContextTimeoutEnabled: true, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}}
	if login {
		options.Username, options.Password, options.DB = f.Server.User, f.Server.Password, f.Server.DB
	}
	if f.Server.Socket != "" {
		options.Network, options.Addr = "unix", f.Server.Socket
	}
	if f.Server.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if f.TLS != nil {
			options.TLSConfig = f.TLS.Clone()
		}
		if host, _, err := net.SplitHostPort(address); err == nil && options.TLSConfig.ServerName == "" {
			options.TLSConfig.ServerName = host
		}
	}
	return redis.NewClient(options)
}

// find returns a client of the server that holds the first target.
func (f *Follower) find(ctx context.Context) (*redis.Client, error) {
	switch f.Server.Kind {
	case "sentinel":
		address, err := f.askSentinels(ctx)
		if err != nil {
			return nil, err
		}
		return f.open(address, answerTimeout, true), nil
	case "cluster":
		return f.findShard(ctx)
	case "single":
		if f.Server.Socket != "" {
			return f.open("", answerTimeout, true), nil
		}
	}
	return f.open(f.Server.Addresses[0], answerTimeout, true), nil
}

func (f *Follower) askSentinels(ctx context.Context) (string, error) {
	var last error
	for _, i := range rand.Perm(len(f.Server.Addresses)) {
		for _, login := range []bool{false, true} {
			address, err := f.askSentinel(ctx, f.Server.Addresses[i], login)
			if err == nil {
				return address, nil
			}
			last = err
			if !strings.HasPrefix(err.Error(), "NOAUTH") {
				break
			}
		}
	}
	return "", fmt.Errorf("no sentinel knows %.100q: %w", f.Server.Name, last)
}

func (f *Follower) askSentinel(ctx context.Context, sentinel string, login bool) (string, error) {
	asking := &Follower{Server: f.Server, TLS: f.TLS}
	asking.Server.DB = 0
	client := asking.open(sentinel, askTimeout, login)
	defer client.Close()
	ctx, done := context.WithTimeout(ctx, askTimeout)
	defer done()
	found, err := client.Do(ctx, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", f.Server.Name).StringSlice()
	if err != nil {
		return "", err
	}
	if len(found) != 2 {
		return "", errors.New("a sentinel answered something else than an address")
	}
	return net.JoinHostPort(found[0], found[1]), nil
}

// findShard asks any node, and follows where it points to.
func (f *Follower) findShard(ctx context.Context) (*redis.Client, error) {
	known := append([]string(nil), f.Server.Addresses...)
	for address := range f.nodes {
		known = append(known, address)
	}
	last := errors.New("no node was asked")
	for _, i := range rand.Perm(len(known)) {
		address := known[i]
		for range mostMoves {
			client := f.open(address, askTimeout, true)
			asking, done := context.WithTimeout(ctx, askTimeout)
			err := client.Do(asking, "GET", f.planKey(f.Targets[0])).Err()
			done()
			_ = client.Close()
			if err == nil || errors.Is(err, redis.Nil) {
				f.remember(address)
				return f.open(address, answerTimeout, true), nil
			}
			last = err
			next := moved(err, address)
			if next == "" {
				break
			}
			f.remember(next)
			address = next
		}
	}
	return nil, last
}

func (f *Follower) remember(address string) {
	if len(f.nodes) < 100 {
		f.nodes[address] = true
	}
}

// moved returns where a MOVED points to; an empty host means the node that was asked.
func moved(err error, asked string) string {
	words := strings.Fields(err.Error())
	if len(words) != 3 || words[0] != "MOVED" {
		return ""
	}
	at := strings.LastIndex(words[2], ":")
	if at < 0 {
		return ""
	}
	host, port := strings.Trim(words[2][:at], "[]"), words[2][at+1:]
	if host == "" {
		host, _, _ = net.SplitHostPort(asked)
	}
	return net.JoinHostPort(host, port)
}
