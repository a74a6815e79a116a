// Package following is an agent's connections to Redis: it finds the server, subscribes, reads plans
// and writes reports. What a message means it leaves to its Listener.
package following

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A Server is where Redis is, as a URL says it.
type Server struct {
	Kind           string // single, sentinel, cluster
	Addresses      []string
	Socket         string
	Name           string // of a Sentinel's primary
	User, Password string
	DB             int
	TLS            bool
}

// ParseURL reads the URLs of the contract.
func ParseURL(text string) (Server, error) {
	server := Server{Kind: "single"}
	scheme, rest, found := strings.Cut(strings.TrimSpace(text), "://")
	if !found {
		return server, errors.New("a Redis URL is redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://")
	}
	port := "6379"
	switch scheme {
	case "redis":
	case "rediss":
		server.TLS = true
	case "unix":
	case "redis+sentinel", "rediss+sentinel":
		server.Kind, server.TLS, port = "sentinel", scheme[5] == 's', "26379"
	case "redis+cluster", "rediss+cluster":
		server.Kind, server.TLS = "cluster", scheme[5] == 's'
	default:
		return server, fmt.Errorf("a Redis URL does not begin with %.20s://", scheme)
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		var wrong [2]error
		server.User, wrong[0] = url.PathUnescape(user)
		server.Password, wrong[1] = url.PathUnescape(password)
		if wrong[0] != nil || wrong[1] != nil {
			return server, errors.New("user and password of a Redis URL must be percent-encoded")
		}
		rest = rest[at+1:]
	}
	rest, query, _ := strings.Cut(rest, "?")
	if scheme == "unix" {
		server.Socket = rest
		if db := strings.TrimPrefix(query, "db="); db != query {
			return server, server.database(db)
		}
		if rest == "" {
			return server, errors.New("unix:// needs the path of a socket")
		}
		return server, nil
	}
	if query != "" {
		return server, fmt.Errorf("a Redis URL takes no ?%.40s here", query)
	}
	hosts, path, _ := strings.Cut(rest, "/")
	for _, host := range strings.Split(hosts, ",") {
		address, err := addressOf(host, port)
		if err != nil {
			return server, err
		}
		server.Addresses = append(server.Addresses, address)
	}
	if server.Kind == "single" && len(server.Addresses) > 1 {
		return server, errors.New("several hosts need redis+sentinel:// or redis+cluster://")
	}
	if server.Kind == "sentinel" {
		server.Name, path, _ = strings.Cut(path, "/")
		if server.Name == "" {
			return server, errors.New("redis+sentinel:// needs the primary's name: redis+sentinel://HOST,HOST/NAME")
		}
	}
	if server.Kind == "cluster" && strings.Trim(path, "/0") != "" {
		return server, errors.New("a cluster has database 0 only")
	}
	return server, server.database(strings.Trim(path, "/"))
}

func (s *Server) database(text string) error {
	if text == "" {
		return nil
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("a Redis database is a number, not %.20q", text)
	}
	s.DB = int(number)
	return nil
}

func addressOf(host, port string) (string, error) {
	name, own, err := net.SplitHostPort(host)
	if err != nil {
		name, own = strings.Trim(host, "[]"), port
	}
	if name == "" {
		return "", errors.New("a Redis URL needs a host")
	}
	if number, err := strconv.ParseUint(own, 10, 16); err != nil || number == 0 {
		return "", fmt.Errorf("a port is a number from 1 to 65535, not %.20q", own)
	}
	return net.JoinHostPort(name, own), nil
}

// String returns the server without user and password.
func (s Server) String() string {
	if s.Socket != "" {
		return "unix://" + s.Socket
	}
	scheme := "redis"
	if s.TLS {
		scheme = "rediss"
	}
	if s.Kind != "single" {
		scheme += "+" + s.Kind
	}
	where := scheme + "://" + strings.Join(s.Addresses, ",")
	if s.Name != "" {
		where += "/" + s.Name
	}
	return where
}
