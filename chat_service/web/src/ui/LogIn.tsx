import { type FormEvent, useEffect, useRef, useState } from "react";

import { Refused } from "../http";
import type { Session } from "../session/session";
import { Field } from "./Field";
import { Logo } from "./icons";

type Mode = "log in" | "sign up";

/** The login page. Signing up logs in, too. */
export function LogIn({ session }: { session: Session }) {
  const [mode, setMode] = useState<Mode>("log in");
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Error | null>(null);
  const alert = useRef<HTMLParagraphElement>(null);
  const signingUp = mode === "sign up";

  useEffect(() => {
    document.title = signingUp ? "Sign up · Messages" : "Log in · Messages";
  }, [signingUp]);

  async function submit(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const given = (name: string) => String(form.get(name) ?? "").trim();
    const email = given("email");
    const password = String(form.get("password"));
    setBusy(true);
    setRefusal(null);
    try {
      if (signingUp) {
        const department = given("department");
        await session.api.signUp({
          name: given("name"),
          email,
          password,
          ...(department && { department }),
        });
      }
      await session.logIn(email, password);
    } catch (error) {
      setRefusal(error as Error);
      setBusy(false);
      alert.current?.focus();
    }
  }

  function change(): void {
    setMode(signingUp ? "log in" : "sign up");
    setRefusal(null);
  }

  return (
    <main className="gate">
      <div className="card">
        <div className="brand">
          <Logo />
          <span>Messages</span>
        </div>
        <h1>{signingUp ? "Create your account" : "Welcome back"}</h1>
        <p className="muted">
          {signingUp
            ? "Your colleagues will find you by your name or email."
            : "Log in to continue where you left off."}
        </p>
        {session.logoutReason === "ended" && !refusal && (
          <p className="notice">Your session was ended. Log in again to continue.</p>
        )}
        <form onSubmit={(event) => void submit(event)}>
          <Fields signingUp={signingUp} refusal={refusal} />
          <p className="alert" role="alert" tabIndex={-1} ref={alert}>
            {refusal && explain(refusal)}
          </p>
          <button className="button wide" disabled={busy}>
            {busy ? "One moment…" : signingUp ? "Sign up" : "Log in"}
          </button>
        </form>
        <p className="aside">
          {signingUp ? "Already have an account?" : "New here?"}{" "}
          <button className="link" onClick={change}>
            {signingUp ? "Log in" : "Sign up"}
          </button>
        </p>
      </div>
    </main>
  );
}

function Fields({ signingUp, refusal }: { signingUp: boolean; refusal: Error | null }) {
  const problem = (name: string) => (refusal instanceof Refused ? refusal.field(name) : undefined);
  return (
    <>
      {signingUp && (
        <Field
          label="Name"
          name="name"
          autoComplete="name"
          maxLength={100}
          problem={problem("name")}
        />
      )}
      <Field
        label="Email"
        name="email"
        type="email"
        autoComplete="username"
        maxLength={320}
        problem={problem("email")}
      />
      {signingUp && (
        <Field
          label="Department"
          hint="optional"
          name="department"
          autoComplete="organization-title"
          maxLength={100}
          required={false}
        />
      )}
      <Field
        label="Password"
        hint={signingUp ? "at least 8 characters" : undefined}
        name="password"
        type="password"
        autoComplete={signingUp ? "new-password" : "current-password"}
        minLength={signingUp ? 8 : undefined}
        problem={problem("password")}
      />
    </>
  );
}

function explain(error: Error): string {
  if (!(error instanceof Refused)) return "The service cannot be reached. Check your connection.";
  if (error.unsupported) return "The auth service was not found at its configured address.";
  switch (error.code) {
    case "invalid_credentials":
      return "Wrong email or password.";
    case "email_taken":
      return "An account with this email already exists. Log in instead.";
    case "invalid_input":
      return "Please correct the fields above.";
    case "unavailable":
      return "The service is busy. Try again in a moment.";
    case "rate_limited":
    case "too_many_attempts":
      return "Too many attempts. Wait a little, then try again.";
    default:
      return error.detail;
  }
}
