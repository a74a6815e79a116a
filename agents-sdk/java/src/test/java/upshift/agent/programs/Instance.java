package upshift.agent.programs;

import java.io.FileWriter;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import upshift.agent.Agent;
import upshift.agent.Config;
import upshift.agent.Programs;
import upshift.agent.contract.JsonWriter;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;

/** The program whose agents tests/reliability disturbs; what it does is said in its parts/languages.py. */
public final class Instance {
  private final PrintWriter lines;

  private Instance(String path) throws IOException {
    lines = new PrintWriter(new FileWriter(path, true), true);
  }

  public static void main(String[] given) throws Exception {
    if (given[0].equals("agent")) {
      Instance all = new Instance(given[3]);
      for (int i = 4; i < given.length; i++) {
        all.agent(given[1], given[2], given[i]);
      }
      new CountDownLatch(1).await();
    } else {
      new Instance(given[4]).application(given[1], given[2], Double.parseDouble(given[3]));
    }
  }

  /** CLOCK_MONOTONIC, one for all processes of a machine: what nanoTime is on Linux. */
  private static double monotonic() {
    return System.nanoTime() / 1e9;
  }

  private synchronized void write(Object... fields) {
    Map<String, Object> line = new LinkedHashMap<>();
    for (int i = 0; i < fields.length; i += 2) {
      line.put((String) fields[i], fields[i + 1]);
    }
    lines.println(JsonWriter.write(line));
  }

  private interface Told {
    void told(Decision decision) throws Exception;
  }

  private static Agent start(String url, String service, String instance, Told told) {
    Driver driver =
        new Driver() {
          @Override
          public String name() {
            return "callable";
          }

          @Override
          public void apply(Map<Profile, Decision> decisions) throws Exception {
            told.told(decisions.get(Profile.CPU));
          }
        };
    Config config = new Config().redisUrl(url).service(service).driver(driver);
    if (instance != null) {
      config.attribute("service.instance.id", instance);
    }
    String secrets = System.getenv("UPSHIFT_SECRETS");
    if (secrets != null && !secrets.isEmpty()) {
      for (String secret : secrets.split(",")) {
        config.secret(secret);
      }
    }
    return Programs.start(config);
  }

  private void agent(String url, String service, String instance) {
    start(url, service, instance, it -> write("instance", instance, "at_s", monotonic(), "hz", it.hz(), "lease", it.lease()));
  }

  private void application(String url, String kind, double slowS) throws Exception {
    Agent agent = null;
    double[] longest = new double[2];
    if (!kind.equals("none")) {
      double began = monotonic();
      agent = start(url, "checkout", null, it -> act(kind, slowS, it.hz()));
      longest[1] = monotonic() - began;
      while (!agent.connected()) {
        Thread.sleep(10);
      }
    }
    sun.misc.Signal.handle( // a shutdown hook could not end it with 0
        new sun.misc.Signal("TERM"),
        signal -> {
          write("stall_s", longest[0], "call_s", longest[1]);
          Runtime.getRuntime().halt(0);
        });
    write("ready", true);
    while (true) {
      double began = monotonic();
      Thread.sleep(1);
      double woke = monotonic();
      longest[0] = Math.max(longest[0], woke - began - 0.001);
      if (agent != null) {
        agent.status();
        agent.decisions();
        agent.connected();
        longest[1] = Math.max(longest[1], monotonic() - woke);
      }
    }
  }

  private void act(String kind, double slowS, long hz) throws Exception {
    write("hz", hz, "at_s", monotonic());
    if (hz == 19) {
      return;
    }
    if (kind.equals("raises")) {
      throw new IOException("no permission to profile");
    }
    if (kind.equals("hangs")) {
      new CountDownLatch(1).await();
    }
    Thread.sleep((long) (slowS * 1000));
  }
}
