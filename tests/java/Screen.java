import java.awt.Component;
import java.awt.Container;
import java.awt.Dialog;
import java.awt.Rectangle;
import java.awt.Robot;
import java.awt.Window;
import java.awt.image.BufferedImage;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import javax.imageio.ImageIO;
import javax.swing.AbstractButton;
import javax.swing.JComboBox;
import javax.swing.JMenu;
import javax.swing.JMenuBar;
import javax.swing.JMenuItem;
import javax.swing.SwingUtilities;
import uk.ac.starlink.util.gui.ErrorDialog;

/** What a user sees and does on a screen, whatever the program: windows, buttons, menus, waiting, pictures. */
final class Screen {
    static final Rectangle WHOLE = new Rectangle(0, 0, 1280, 800);
    private static final int PATIENCE_S = 40;

    private Screen() {}

    /** Does something as the user's next act. */
    static void at(Runnable act) throws Exception {
        SwingUtilities.invokeAndWait(act);
    }

    /** Looks at the screen until something is so. */
    static void until(String what, BooleanSupplier is) throws Exception {
        long end = System.nanoTime() + PATIENCE_S * 1_000_000_000L;
        while (System.nanoTime() < end) {
            FutureTask<Boolean> asked = new FutureTask<>(is::getAsBoolean);
            SwingUtilities.invokeLater(asked);
            if (asked.get(PATIENCE_S, TimeUnit.SECONDS)) {
                return;
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("not within " + PATIENCE_S + " s: " + what);
    }

    /** A window that can be seen, by the name of its class. */
    static Window window(String kind) {
        return window(window -> window.getClass().getSimpleName().equals(kind));
    }

    /** A window that can be seen; null if there is none. */
    static Window window(Predicate<Window> wanted) {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && wanted.test(window)) {
                return window;
            }
        }
        return null;
    }

    static void place(Window window, int x, int y, int width, int height) {
        window.setBounds(x, y, width, height);
        window.validate();
        window.toFront();
    }

    /** Closes a complaint if it comes. */
    static void dismiss(String title) throws Exception {
        long end = System.nanoTime() + 5_000_000_000L;
        while (System.nanoTime() < end) {
            Window found = window(window -> window instanceof ErrorDialog && title.equals(((Dialog) window).getTitle()));
            if (found != null) {
                at(found::dispose);
                return;
            }
            Thread.sleep(100);
        }
    }

    static AbstractButton button(Container root, String text) {
        return find(root, AbstractButton.class, button -> text.equals(button.getText()) && !(button instanceof JMenuItem));
    }

    /** An item of a menu by the words that it begins with. */
    static JMenuItem menuItem(JMenuBar bar, String text) {
        for (int i = 0; i < bar.getMenuCount(); i++) {
            JMenu menu = bar.getMenu(i);
            for (int j = 0; j < menu.getItemCount(); j++) {
                if (menu.getItem(j) != null && menu.getItem(j).getText() != null && menu.getItem(j).getText().startsWith(text)) {
                    return menu.getItem(j);
                }
            }
        }
        throw new IllegalStateException("no menu has " + text);
    }

    static boolean offers(Container root, String item) {
        return all(root, JComboBox.class).stream().anyMatch(box -> box.isShowing() && place(box, item) >= 0);
    }

    static void pick(Container root, String item) {
        JComboBox<?> box = box(root, item);
        box.setSelectedIndex(place(box, item));
    }

    /** What is picked where an item is offered. */
    static String picked(Container root, String item) {
        return String.valueOf(box(root, item).getSelectedItem());
    }

    private static JComboBox<?> box(Container root, String item) {
        return find(root, JComboBox.class, found -> found.isShowing() && place(found, item) >= 0);
    }

    private static int place(JComboBox<?> box, String item) {
        for (int i = 0; i < box.getItemCount(); i++) {
            if (item.equals(String.valueOf(box.getItemAt(i)))) {
                return i;
            }
        }
        return -1;
    }

    static <T> T find(Container root, Class<T> kind, Predicate<T> wanted) {
        for (T found : all(root, kind)) {
            if (wanted.test(found)) {
                return found;
            }
        }
        throw new IllegalStateException("there is no such " + kind.getSimpleName());
    }

    static <T> List<T> all(Container root, Class<T> kind) {
        List<T> found = new ArrayList<>();
        for (Component child : root.getComponents()) {
            if (kind.isInstance(child)) {
                found.add(kind.cast(child));
            }
            if (child instanceof Container) {
                found.addAll(all((Container) child, kind));
            }
        }
        return found;
    }

    static void shoot(File file, Rectangle part) throws Exception {
        // What was moved is painted first.
        Thread.sleep(1000);
        BufferedImage picture = new Robot().createScreenCapture(part);
        ImageIO.write(picture, "png", file);
    }
}
